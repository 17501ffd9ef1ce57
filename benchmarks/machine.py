"""What a figure was measured on, and where figures are kept."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).parent / "results"
LIBRARIES: Final = ("aiokafka", "anthropic", "asyncpg", "httptools", "openai", "pydantic", "uvloop")

Json = dict[str, object]


def machine() -> Json:
    """Processor, cores, system and the versions that matter."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def kept(name: str, figures: Mapping[str, object]) -> Path:
    """Write a benchmark's figures with their machine and command; the file they are in."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{name}.json"
    # The process's own words, without the interpreter's place on this machine.
    command = " ".join(["python", "-m", f"benchmarks.{name}", *sys.argv[1:]])
    whole = {
        "command": command,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        **figures,
    }
    file.write_text(json.dumps(whole, indent=2) + "\n")
    return file


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
