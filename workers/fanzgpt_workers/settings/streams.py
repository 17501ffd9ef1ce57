"""The usage streams: how time is cut into windows, and what is far from normal."""

from pydantic import Field

from fanzgpt_workers.settings.group import Group


class StreamsSettings(Group):
    """Windows of usage; a change of the first two begins new windows beside those that are kept."""

    window_seconds: int = Field(
        60,
        alias="STREAMS_WINDOW_SECONDS",
        ge=1,
        le=86_400,
        description="Length of a tumbling window, and the step of the hopping one. 60 is what limits and alerts think "
        "in.",
    )
    hopping_windows: int = Field(
        5,
        alias="STREAMS_HOPPING_WINDOWS",
        ge=1,
        le=60,
        description="Length of the hopping window in tumbling ones; 1 tells no hopping windows. 5 minutes smooth what "
        "one minute throws about.",
    )
    lateness_seconds: int = Field(
        120,
        alias="STREAMS_LATENESS_SECONDS",
        ge=0,
        le=86_400,
        description="Seconds an event may come behind the newest of its partition and still count; later ones are "
        "counted apart. 120 is twice the longest hold-up between an ending and its publication.",
    )
    idle_seconds: float = Field(
        30.0,
        alias="STREAMS_IDLE_SECONDS",
        ge=1,
        le=86_400,
        description="Seconds without any event after which a partition's time goes on by the clock, so that its last "
        "windows become final.",
    )
    checkpoint_seconds: float = Field(
        1.0,
        alias="STREAMS_CHECKPOINT_SECONDS",
        ge=0.05,
        le=60,
        description="Seconds between two keepings of what has changed. 1 writes each key of a busy second once.",
    )
    threshold: float = Field(
        6.0,
        alias="STREAMS_ANOMALY_SCORE",
        ge=1,
        le=1_000,
        description="Deviations above a user's or model's own normal from which a window is an anomaly. 6 tells of a "
        "jump, not of a busy evening.",
    )
    settled_windows: int = Field(
        10,
        alias="STREAMS_ANOMALY_WINDOWS",
        ge=2,
        le=10_000,
        description="Windows after which a normal is known; before that nothing is an anomaly.",
    )
