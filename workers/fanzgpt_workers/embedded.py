"""Where the embedded servers say they are: one small file that the stack writes and every command may read.

Standard library only, so that reading it costs a command nothing.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FORMAT_VERSION: Final = 1
DEFAULT_HOME: Final = ".fanzgpt"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedStack:
    """A stack that was started from `file`. `endpoints` maps variable names to their values, as `stack env` prints."""

    file: Path
    endpoints: Mapping[str, str]


def home(environ: Mapping[str, str]) -> Path:
    """The folder of the embedded stack's state: FANZGPT_HOME, else `.fanzgpt` in the current folder."""
    return Path(environ.get("FANZGPT_HOME") or DEFAULT_HOME)


def find_embedded(environ: Mapping[str, str]) -> EmbeddedStack | None:
    """The embedded stack, or None where there is none, where it is down, or where all its servers are gone.

    A file that cannot be understood counts as no stack: `fanzgpt stack up` repairs it, and `fanzgpt doctor` names it.
    """
    file = home(environ) / "stack.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("version") != FORMAT_VERSION:
        return None
    endpoints = document.get("endpoints")
    if not isinstance(endpoints, dict) or _all_gone(document.get("servers")):
        return None
    return EmbeddedStack(
        file=file,
        endpoints={
            name: value for name, value in endpoints.items() if isinstance(name, str) and isinstance(value, str)
        },
    )


def _all_gone(servers: object) -> bool:
    """Whether every server is known to have ended without the stack being told, as after a restart of the machine."""
    if not isinstance(servers, dict) or not servers:
        return False
    return all(isinstance(server, dict) and _is_gone(server.get("pid")) for server in servers.values())


def _is_gone(pid: object) -> bool:
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
