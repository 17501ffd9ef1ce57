"""The work: how much is done at once, how it ends, how it is written."""

from typing import Literal

from pydantic import Field

from fanzgpt_workers.settings.group import Group


class GenerationSettings(Group):
    """How much the generation worker does at once, and how it lets go."""

    max_in_flight: int = Field(
        512,
        alias="GENERATION_MAX_IN_FLIGHT",
        ge=1,
        le=20_000,
        description="Requests under way in this process. Also the most that a SIGKILL can bill twice; at a 1 s "
        "provider 512 give 500 requests/s, what one core drives through an SDK.",
    )
    user_max_in_flight: int = Field(
        16,
        alias="GENERATION_USER_MAX_IN_FLIGHT",
        ge=1,
        le=20_000,
        description="Requests under way of one user. 16 lets a person's burst through and keeps one script from "
        "taking the process.",
    )
    buffer_records: int = Field(
        1_000,
        alias="GENERATION_BUFFER_RECORDS",
        ge=1,
        le=1_000_000,
        description="Records of one partition that wait in memory, where GENERATION_WAITING_RECORDS leaves it so many. "
        "Fairness between users reaches this far; 1000 are two rounds of the process. Of one user 50 count, as long as "
        "no more than 2000 are beyond that in all: a flood is read past.",
    )
    premium_weight: int = Field(
        2,
        alias="GENERATION_PREMIUM_WEIGHT",
        ge=1,
        le=100,
        description="How many times a user whose request says `subscription: premium` in its metadata weighs among the "
        "users that wait. 2, as the gateway's window lets them ask twice as much.",
    )
    waiting_records: int = Field(
        8_000,
        alias="GENERATION_WAITING_RECORDS",
        ge=1,
        le=10_000_000,
        description="Records that wait in memory in all, shared out evenly between the partitions held. 8000 are "
        "sixteen rounds of the process, and hold it under 300 MiB whatever waits on the topics.",
    )
    uncommitted_records: int = Field(
        20_000,
        alias="GENERATION_UNCOMMITTED_RECORDS",
        ge=1,
        le=10_000_000,
        description="Records of one partition taken above its committed offset. Bounds what a crash replays while "
        "one slow call holds the offset; 20000 are a minute of a busy partition.",
    )
    buffer_bytes: int = Field(
        64 * 1024 * 1024,
        alias="GENERATION_BUFFER_BYTES",
        ge=65_536,
        description="Bytes of record values held in memory by the process. 64 MiB leaves room in a 1 GiB reservation.",
    )
    drain_seconds: float = Field(
        30.0,
        alias="GENERATION_DRAIN_SECONDS",
        ge=0,
        le=600,
        description="Seconds running calls may take to end on SIGTERM or when a partition is taken away. 30 covers "
        "nearly every call; a rebalance may wait that long for this process.",
    )


class SinkSettings(Group):
    """How the sinks write."""

    batch_rows: int = Field(
        500,
        alias="SINK_BATCH_ROWS",
        ge=1,
        le=10_000,
        description="Most rows of one transaction. 500 reach the database's best speed; more only cost latency.",
    )
    drain_seconds: float = Field(
        10.0,
        alias="SINK_DRAIN_SECONDS",
        ge=0,
        le=600,
        description="Seconds the running transaction may take to end on SIGTERM. 10 is far above a full batch.",
    )
    unknown_users: Literal["dead-letter", "create"] = Field(
        "dead-letter",
        alias="UNKNOWN_USERS",
        description="A row for a user that is not in `users`: keep it apart (`dead-letter`), or add the user "
        "(`create`), as the embedded stack does. The table belongs to the main API server, hence the default.",
    )
