"""The reference pages as the code would write them: `make reference` writes them, a test compares.

Each page is a few words of ours and tables made from settings, metrics, commands and topics as they are.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, get_args, get_origin

from prometheus_client.registry import Collector
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from tests.architecture.command_tree import commands

from fanzgpt_gateway.metrics import Metrics as GatewayMetrics
from fanzgpt_gateway.settings import Settings as GatewaySettings
from fanzgpt_schemas.topics import bundled_topics
from fanzgpt_workers.cli import DONE, FAILED, MISUSED, UNAVAILABLE
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.settings import Settings

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference"
WRITTEN: Final = "<!-- Written by `make reference` from the code; a test holds the two together. -->"
NOT_USED_YET: Final[tuple[str, ...]] = ()
"""Settings that are read and checked, and that nothing obeys yet."""

_BOUNDS: Final = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table."""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def settings() -> Iterator[str]:
    """Every variable, by concern."""
    yield "# Settings"
    yield ""
    yield WRITTEN
    yield ""
    yield (
        "A process reads its settings once, from the environment. An empty variable counts as not set; every wrong one "
        "is named at once, with what would be right, and the process ends with exit code 2. Where the environment "
        "names no server and the embedded stack is up, the stack's variables are used."
    )
    yield ""
    if NOT_USED_YET:
        yield f"Read and checked, but not obeyed yet: {', '.join(f'`{name}`' for name in NOT_USED_YET)}."
        yield ""
    yield "The sections up to the gateway's are those of `fanzgpt worker` and of the commands that look."
    for section in Settings.model_fields.values():
        group = section.annotation
        assert isinstance(group, type)
        assert issubclass(group, BaseModel)
        yield from _settings_of(group, _first_line(group))
    yield from _settings_of(GatewaySettings, "The gateway")
    yield ""
    yield "## Beside the settings"
    yield ""
    yield from table(
        ("Variable", "What for"),
        (
            ("`FANZGPT_HOME`", "Folder of the embedded stack's state; else `.fanzgpt` in the present folder."),
            ("`FANZGPT_CACHE`", "Folder of what the embedded stack has fetched; else `fanzgpt` in the user's cache."),
            (
                "`FANZGPT_TEST_HOME`",
                "Folder of a stack that the tests keep up between runs; without it each starts one.",
            ),
        ),
    )


def metrics() -> Iterator[str]:
    """Every metric."""
    yield "# Metrics"
    yield ""
    yield WRITTEN
    yield ""
    yield "Every `fanzgpt worker` serves these at `/metrics` on its `METRICS_PORT`, beside `/health/live` and `/health/ready`."
    yield "A process has the metrics of its own work; the others are there and stay empty."
    yield ""
    yield (
        "No label holds a request, a user or a text: [why](../decisions/0014-no-metric-has-a-user-label.md). Per-user "
        "figures are rows: `users.ai_usage_stats` and `ai_generation_history`, or `fanzgpt ledger sum --by user`."
    )
    yield ""
    rows = ((f"`{name}`", kind, _labels(labels), text) for name, kind, labels, text in Metrics().catalogue())
    yield from table(("Metric", "Kind", "Labels", "What it says"), rows)
    yield ""
    yield "The gateway has its own:"
    yield ""
    yield from table(
        ("Metric", "Kind", "Labels", "What it says"),
        ((f"`{name}`", kind, _labels(labels), text) for name, kind, labels, text in gateway_metrics()),
    )


def gateway_metrics() -> Iterator[tuple[str, str, Sequence[str], str]]:
    """Name, kind, labels and meaning of each metric of the gateway."""
    registry = GatewayMetrics().registry
    collectors: Iterable[Collector] = dict.fromkeys(registry._names_to_collectors.values())
    for collector in collectors:
        for family in collector.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield name, family.type, getattr(collector, "_labelnames", ()), family.documentation


def command_line() -> Iterator[str]:
    """Every command, with its arguments and options."""
    yield "# Command line"
    yield ""
    yield WRITTEN
    yield ""
    yield "Output is text for people and, with `-o json`, JSON for programs; errors go to stderr, in words."
    yield ""
    yield from table(
        ("Exit code", "Meaning"),
        (
            (f"{DONE}", "done"),
            (f"{FAILED}", "it failed, or what was asked about is not well"),
            (f"{MISUSED}", "a wrong command line, setting or file; for `fanzgpt topics plan`: something to apply"),
            (f"{UNAVAILABLE}", "a server is away; try again"),
            ("130", "interrupted"),
        ),
    )
    for command in commands():
        yield ""
        yield f"## fanzgpt {command.path}"
        yield ""
        yield command.told
        if command.parameters:
            yield ""
            yield from table(
                ("Argument or option", "What for"), ((f"`{names}`", text) for names, text in command.parameters)
            )


def topics() -> Iterator[str]:
    """Every topic."""
    registry = bundled_topics()
    yield "# Topics"
    yield ""
    yield WRITTEN
    yield ""
    yield "From `topics.yaml`, which `fanzgpt topics apply` makes a broker follow. Values are JSON; their schemas and"
    yield "examples are in [`schemas/fanzgpt_schemas/released`](../../schemas/fanzgpt_schemas/released/README.md)."
    yield ""
    yield from table(
        ("Topic", "What for", "Key", "Partitions", "Kept", "Written by", "Read by"),
        (
            (
                f"`{topic.name}`",
                topic.purpose,
                topic.key,
                str(topic.partitions),
                _kept(topic.retention),
                ", ".join(topic.produced_by),
                ", ".join(topic.consumed_by),
            )
            for topic in registry
        ),
    )


PAGES: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "settings.md": settings,
    "metrics.md": metrics,
    "command-line.md": command_line,
    "topics.md": topics,
}


def _settings_of(group: type[BaseModel], heading: str) -> Iterator[str]:
    yield ""
    yield f"## {heading}"
    yield ""
    yield from table(
        ("Variable", "Value", "Default", "What for"),
        (
            (f"`{field.alias}`", _value(field), _default(field), " ".join((field.description or "").split()))
            for field in group.model_fields.values()
        ),
    )


def page(name: str) -> str:
    """A page's text."""
    return "\n".join(PAGES[name]()) + "\n"


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(page(name))


def _labels(labels: Sequence[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels) or "-"


def _first_line(group: type) -> str:
    return (inspect.getdoc(group) or "").splitlines()[0].rstrip(".")


def _value(field: FieldInfo) -> str:
    kind = [each for each in get_args(field.annotation) if each is not type(None)] or [field.annotation]
    if get_origin(field.annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if get_origin(field.annotation) is tuple:
        return "texts, by commas" if kind[0] is str else "text"
    words = {int: "whole number", float: "number", bool: "`true`", str: "text", SecretStr: "secret text"}
    word = words.get(kind[0], "text") if isinstance(kind[0], type) else "text"
    bounds = [
        f"{prefix} {bound:,}"
        for key, prefix in _BOUNDS.items()
        for item in field.metadata
        if (bound := getattr(item, key, None)) is not None
    ]
    return " ".join([word, *bounds])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    match default:
        case None | "" | () | {}:
            return "-"
        case bool():
            return "off" if not default else "`true`"
        case float():
            return f"`{default:g}`"
        case _:
            return f"`{default}`"


def _kept(retention: timedelta | None) -> str:
    return "for ever" if retention is None else f"{retention.days} days"


if __name__ == "__main__":
    main()
