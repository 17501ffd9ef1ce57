"""Structured logs on stderr: JSON in a pipe, readable on a terminal; libraries' logs take the same way."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from fanzgpt_workers.observability.redaction import Redaction, secrets_of
from fanzgpt_workers.observability.repeats import Repeats

if TYPE_CHECKING:
    from fanzgpt_workers.settings import Settings

_LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_TALKATIVE: Final = ("openai", "anthropic", "httpx2", "httpcore2", "aiohttp", "faust", "mode")
"""Below `warning` these log request bodies or every heartbeat."""


def open_logs(settings: "Settings", *, process: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """The process's logger, handed on as an argument; also routes the standard library's loggers to the same stream.

    Every line has `time` (UTC, RFC 3339), `level`, `event`, `process` and `pid`. Secrets of the settings are masked
    wherever they occur; values under names such as `prompt` or `output` are replaced by their length.
    """
    stream = stream if stream is not None else sys.stderr
    json = settings.process.log_format == "json" or (settings.process.log_format == "auto" and not stream.isatty())
    level = _LEVELS[settings.process.log_level]
    redaction = Redaction(secrets_of(settings))
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        redaction,
    ]
    rendering: list[Processor] = _json(redaction) if json else _text(redaction, colors=stream.isatty())
    origin = {"process": process, "pid": os.getpid()}

    def add_origin(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.update(origin)
        return event

    _route_standard_library([add_origin, *shared], rendering, level=level, stream=stream)
    logger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return cast("FilteringBoundLogger", logger.bind(**origin))


def _json(redaction: Redaction) -> list[Processor]:
    def render(_logger: object, _method: str, event: EventDict) -> str:
        return redaction.line(orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode())

    return [structlog.processors.ExceptionRenderer(), render]


def _text(redaction: Redaction, *, colors: bool) -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(
        colors=colors, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
    )

    def render(logger: Any, method: str, event: EventDict) -> str:
        return redaction.line(str(renderer(logger, method, event)))

    return [render]


def _route_standard_library(shared: list[Processor], rendering: list[Processor], *, level: int, stream: TextIO) -> None:
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
