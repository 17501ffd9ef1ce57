"""Structured logs on stderr: JSON in a pipe, readable on a terminal; libraries' logs take the same way.

Nothing here logs a body, a header or a query: what people write and what proves who they are never reaches a log.
"""

import logging
import os
import sys
from typing import Final, TextIO

import structlog

from fanzgpt_gateway.settings import Settings

_TALKATIVE: Final = ("aiokafka", "uvicorn", "asyncio", "fastapi")
"""Below `warning` these log every heartbeat or connection."""


def open_logs(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Route the standard library's loggers to one stream; each line has time, level, event, logger, process and pid."""
    stream = stream if stream is not None else sys.stderr
    json = settings.log_format == "json" or (settings.log_format == "auto" and not stream.isatty())
    level = getattr(logging, settings.log_level.upper())
    origin = {"process": "gateway", "pid": os.getpid()}

    def add_origin(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.update(origin)
        return event

    rendering: list[structlog.typing.Processor] = (
        [structlog.processors.ExceptionRenderer(), structlog.processors.JSONRenderer(default=str)]
        if json
        else [structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="time")]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                add_origin,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
