"""Reading what deploys the system: command lines as the command reads them, settings as a process does."""

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fanzgpt_gateway.configuring import Misconfigured, load_settings
from fanzgpt_gateway.settings import Settings as GatewaySettings
from fanzgpt_workers.cli import _commands
from fanzgpt_workers.commands.lazy import LazyGroup
from fanzgpt_workers.observability.health import HealthServer
from fanzgpt_workers.settings import METRICS_PORTS, SINK_NEEDS, WORKER_NEEDS, Need, ProcessName, check_settings

ROOT: Final = Path(__file__).parents[2]
NOT_YET: Final = frozenset({"streams"})
"""Processes with a port of their own that this release does not have."""

PROCESSES: Final[tuple[ProcessName, ...]] = tuple(name for name in METRICS_PORTS if name not in NOT_YET)
HEALTH_PATHS: Final = frozenset(re.findall(r'add_get\("(/health/\w+)"', inspect.getsource(HealthServer)))
GATEWAY_VARIABLES: Final = frozenset(str(field.alias) for field in GatewaySettings.model_fields.values())
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}


def command_line(argv: Sequence[str]) -> Mapping[str, Any]:
    """The parameters of a `fanzgpt` command line; raises what the command would refuse it with."""
    command: Any = LazyGroup(name="fanzgpt", commands=dict(_commands()))
    context: Any = None
    arguments = list(argv)
    while True:
        context = command.make_context(command.name, arguments, parent=context)
        if not hasattr(context.command, "resolve_command"):
            return dict(context.params)
        arguments = [*context._protected_args, *context.args]
        _, command, arguments = context.command.resolve_command(context, arguments)


def needs(process: str) -> frozenset[Need]:
    """What a process cannot start without."""
    if process == "generation":
        return WORKER_NEEDS
    return frozenset({"kafka"}) if process == "monitor" else SINK_NEEDS


def refused(process: str, environ: Mapping[str, str]) -> list[str]:
    """What a process would say of its environment; nothing where it would start."""
    return [str(problem) for problem in check_settings(environ, needs=needs(process))[1]]


def refused_by_gateway(environ: Mapping[str, str]) -> tuple[str, ...]:
    """What a gateway would say of its environment; nothing where it would start."""
    try:
        load_settings(environ)
    except Misconfigured as error:
        return error.problems
    return ()


def seconds(duration: str) -> int:
    """`1m30s` in seconds."""
    assert re.fullmatch(r"(\d+[smh])+", duration), duration
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smh])", duration))
