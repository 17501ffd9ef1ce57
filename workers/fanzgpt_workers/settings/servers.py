"""The servers: Kafka, PostgreSQL and Redis."""

from typing import Final

from pydantic import Field, SecretStr

from fanzgpt_workers.settings.group import Group

_HOST_PORT: Final = r"[A-Za-z0-9_.\-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}"
_SERVERS: Final = rf"^(?:|({_HOST_PORT})(,({_HOST_PORT}))*)$"


class KafkaSettings(Group):
    """Where the broker is and how this process takes part in its groups."""

    bootstrap_servers: str = Field(
        "",
        alias="KAFKA_BOOTSTRAP_SERVERS",
        pattern=_SERVERS,
        description="Brokers to ask first, host:port, comma-separated. No default: a worker never guesses its broker.",
        examples=["localhost:9092", "kafka-1:9092,kafka-2:9092"],
    )
    group_prefix: str = Field(
        "fanzgpt",
        alias="KAFKA_GROUP_PREFIX",
        pattern=r"^[A-Za-z0-9._-]{1,100}$",
        description="First part of each consumer group's name (`fanzgpt.generation`), so that two installations may "
        "share a broker.",
    )
    group_instance_id: str | None = Field(
        None,
        alias="KAFKA_GROUP_INSTANCE_ID",
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="Static membership: a restart under the same name within the session time moves no partition. "
        "Unset, because two processes must never share one; give each replica its own (its pod's name).",
    )
    session_timeout_seconds: float = Field(
        30.0,
        alias="KAFKA_SESSION_TIMEOUT_SECONDS",
        ge=6,
        le=300,
        description="Seconds without a heartbeat after which a member counts as dead. 30 lets a static member restart "
        "in place; a killed worker's partitions stand still that long.",
    )
    stuck_seconds: float = Field(
        60.0,
        alias="KAFKA_STUCK_SECONDS",
        ge=1,
        le=3600,
        description="Seconds without a word from Kafka, or without a place in the group, after which a consumer is "
        "opened anew if Kafka answers others. 60 is beyond what a rebalance takes whose members drain.",
    )
    send_timeout_seconds: float = Field(
        30.0,
        alias="KAFKA_SEND_TIMEOUT_SECONDS",
        ge=1,
        le=600,
        description="Seconds until an unacknowledged send is reported. 30 outlives a leader election; an idempotent "
        "send has no limit of its own.",
    )

    def group(self, process: str) -> str:
        """The consumer group of a process: `fanzgpt.generation`."""
        return f"{self.group_prefix}.{process}"


class DatabaseSettings(Group):
    """The PostgreSQL that holds the ledger and the sinks' rows."""

    url: SecretStr = Field(
        SecretStr(""),
        alias="DATABASE_URL",
        description="PostgreSQL to use. No default: rows must not land in a database by accident.",
        examples=["postgresql://user:password@localhost:5432/fanz"],
    )
    pool_size: int = Field(
        10,
        alias="DB_POOL_SIZE",
        ge=2,
        le=500,
        description="Connections per process. 10 is the ecosystem's default; the ledger batches, so few are busy.",
    )
    statement_timeout_seconds: float = Field(
        15.0,
        alias="DB_STATEMENT_TIMEOUT_SECONDS",
        ge=0.1,
        le=600,
        description="Seconds a statement may run before it is given up and tried again. 15 is far above a full batch "
        "and below the drain time.",
    )


class RedisSettings(Group):
    """Limits and cache; never the truth, so a process runs without it."""

    url: SecretStr | None = Field(
        None,
        alias="REDIS_URL",
        description="Redis or Valkey for shared limits and the cache. Unset: limits count per process, nothing is "
        "cached.",
        examples=["redis://localhost:6379/0"],
    )
