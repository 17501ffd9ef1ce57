"""What every process does beside its work, and what the monitor watches for."""

from typing import Final, Literal, get_args

from pydantic import Field

from fanzgpt_workers.settings.group import Group

ProcessName = Literal["generation", "history-sink", "analytics-sink", "preferences-sink", "streams", "monitor"]

METRICS_PORTS: Final[dict[ProcessName, int]] = {
    "generation": 9401,
    "history-sink": 9402,
    "analytics-sink": 9403,
    "preferences-sink": 9404,
    "streams": 9405,
    "monitor": 9406,
}


CrashPoint = Literal[
    "after-fetch",
    "after-claim",
    "after-attempt",
    "mid-call",
    "after-answer",
    "after-settle",
    "mid-save",
    "after-save",
    "after-first-publish",
    "after-publish",
    "after-mark",
    "after-letter",
    "after-redrive",
    "mid-store",
    "after-store",
    "before-commit",
    "after-commit",
]
"""Where a process may be told to die, in the order in which a request passes them."""


class ProcessSettings(Group):
    """What every process does beside its work."""

    metrics_port: int | None = Field(
        None,
        alias="METRICS_PORT",
        ge=0,
        le=65_535,
        description="Port of /metrics and /health; 0 takes a free one. Unset, each process has its own ("
        + ", ".join(f"{name} {port}" for name, port in METRICS_PORTS.items())
        + "), or a free one where that is taken.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        alias="METRICS_HOST",
        min_length=1,
        description="Address of /metrics and /health. Loopback, because they ask for no password; 0.0.0.0 in a "
        "container.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="LOG_LEVEL", description="Least level that is logged; `info` is a line per event of the process."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", alias="LOG_FORMAT", description="`auto`: JSON in a pipe, text on a terminal."
    )
    ready_file: str | None = Field(
        None,
        alias="READY_FILE",
        description="File written once the process takes work: JSON with its pid and metrics port. For start scripts.",
    )
    crash_at: str | None = Field(
        None,
        alias="FANZGPT_CRASH_AT",
        pattern=rf"^({'|'.join(get_args(CrashPoint))})(:[1-9]\d{{0,8}})?$",
        description="For tests of the promises alone: the process kills itself as it passes this point for the first "
        f"time, or with a number for that time (`after-save:3`). Points: {', '.join(get_args(CrashPoint))}.",
        examples=["after-save:3"],
    )


class MonitorSettings(Group):
    """What the monitor looks at."""

    interval_seconds: float = Field(
        10.0,
        alias="MONITOR_INTERVAL_SECONDS",
        ge=0.2,
        le=3600,
        description="Seconds between two looks at every group's lag. 10 is below the usual interval of scrapes.",
    )
    late_seconds: float = Field(
        60.0,
        alias="MONITOR_LATE_SECONDS",
        ge=0,
        description="Age of its oldest record from which a partition is late. 60 is twice what clients wait for.",
    )
    still_seconds: float = Field(
        120.0,
        alias="MONITOR_STILL_SECONDS",
        ge=0,
        description="Age from which a partition where nothing moves is stalled. 120 is two of the longest calls.",
    )
