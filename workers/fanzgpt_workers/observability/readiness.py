"""Telling the outside that a process takes work now, so that nobody has to guess by waiting."""

import json
import os
from pathlib import Path

from structlog.typing import FilteringBoundLogger


def announce_ready(log: FilteringBoundLogger, *, metrics_port: int, ready_file: str | None = None) -> None:
    """Log the event `ready` with the metrics port; with `ready_file`, also write `{"pid", "metricsPort"}` there.

    The file appears whole or not at all. Call once, when the process has its partitions and its servers.
    """
    if ready_file is not None:
        target = Path(ready_file)
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.write_text(json.dumps({"pid": os.getpid(), "metricsPort": metrics_port}) + "\n", encoding="utf-8")
        draft.replace(target)
    log.info("ready", metrics_port=metrics_port)
