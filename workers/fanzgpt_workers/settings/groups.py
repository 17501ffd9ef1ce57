"""Every setting of the running system, grouped by concern: its variable, its unit, and why its default is what it is.

The field's alias is the environment variable. Groups are frozen; secrets never show in a repr.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from fanzgpt_workers.core.admission import Switch

ProviderName = Literal["openai", "anthropic"]
ProcessName = Literal["generation", "history-sink", "analytics-sink", "preferences-sink", "streams", "monitor"]
OnUnknown = Literal["retry", "fail"]

METRICS_PORTS: Final[dict[ProcessName, int]] = {
    "generation": 9401,
    "history-sink": 9402,
    "analytics-sink": 9403,
    "preferences-sink": 9404,
    "streams": 9405,
    "monitor": 9406,
}

_HOST_PORT: Final = r"[A-Za-z0-9_.\-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}"
_SERVERS: Final = rf"^(?:|({_HOST_PORT})(,({_HOST_PORT}))*)$"


def _only_true(value: object) -> object:
    """A switch is on for `true` alone; every other text is off, so that a typing error never turns a feature on."""
    return value == "true" if isinstance(value, str) else value


def _terms(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(term.strip() for term in value.split(",") if term.strip())


OnlyTrue = Annotated[bool, BeforeValidator(_only_true)]
Terms = Annotated[tuple[str, ...], BeforeValidator(_terms)]


class Group(BaseModel):
    """Settings of one concern. In code they are given by name, from the environment by their variable."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, validate_default=False
    )


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


class ProviderSettings(Group):
    """Which language models are asked, and how."""

    default_provider: ProviderName = Field(
        "openai", alias="AI_DEFAULT_PROVIDER", description="Provider of a request that names none."
    )
    openai_api_key: SecretStr | None = Field(
        None,
        alias="OPENAI_API_KEY",
        description="Key for OpenAI; not needed for an OPENAI_BASE_URL that asks for none.",
    )
    openai_base_url: str | None = Field(
        None,
        alias="OPENAI_BASE_URL",
        pattern=r"^https?://\S+$",
        description="Any OpenAI-compatible endpoint, with its /v1. Unset: OpenAI itself.",
        examples=["http://localhost:8080/v1"],
    )
    openai_model: str = Field(
        "gpt-4o-mini",
        alias="OPENAI_MODEL",
        min_length=1,
        max_length=200,
        description="Model of a request that names none. The small one, because most requests are short posts.",
    )
    anthropic_api_key: SecretStr | None = Field(
        None,
        alias="ANTHROPIC_API_KEY",
        description="Key for Anthropic; not needed for an ANTHROPIC_BASE_URL that asks for none.",
    )
    anthropic_base_url: str | None = Field(
        None,
        alias="ANTHROPIC_BASE_URL",
        pattern=r"^https?://\S+$",
        description="Any endpoint that speaks Anthropic messages, without /v1. Unset: Anthropic itself.",
        examples=["http://localhost:8080"],
    )
    anthropic_model: str = Field(
        "claude-3-5-haiku-latest",
        alias="ANTHROPIC_MODEL",
        min_length=1,
        max_length=200,
        description="Model of a request that names none. The small one, because most requests are short posts.",
    )
    transport: Literal["sdk", "wire"] = Field(
        "sdk",
        alias="PROVIDER_TRANSPORT",
        description="`sdk`: the official SDKs, the reference. `wire`: the same calls over a small adapter at about a "
        "third of the CPU.",
    )
    max_tokens: int = Field(
        4000,
        alias="AI_MAX_TOKENS",
        ge=1,
        le=200_000,
        description="Output tokens a call may use unless the request says. 4000 is the ecosystem's default.",
    )
    temperature: float = Field(
        0.7,
        alias="AI_TEMPERATURE",
        ge=0,
        le=2,
        description="Sampling temperature unless the request says. 0.7 is the ecosystem's default.",
    )
    requests_per_minute: int = Field(
        50,
        alias="AI_RATE_LIMIT_RPM",
        ge=1,
        description="Calls a minute the provider allows the whole installation. 50 is a new account's limit.",
    )
    tokens_per_minute: int = Field(
        50_000,
        alias="AI_RATE_LIMIT_TPM",
        ge=1,
        description="Tokens a minute the provider allows the whole installation. 50000 is a new account's limit.",
    )
    attempt_timeout_seconds: float = Field(
        60.0,
        alias="AI_ATTEMPT_TIMEOUT_SECONDS",
        ge=0.1,
        le=3600,
        description="Seconds one call may take, connecting included. A call cut off may still be billed, so 60 is "
        "generous to a long answer.",
    )
    total_timeout_seconds: float = Field(
        300.0,
        alias="AI_TOTAL_TIMEOUT_SECONDS",
        ge=0.1,
        le=86_400,
        description="Seconds from the first call to the last of a request without a deadline. 300 outlives a "
        "provider's usual incident spike.",
    )
    max_billed_attempts: int = Field(
        3,
        alias="AI_MAX_BILLED_ATTEMPTS",
        ge=1,
        le=100,
        description="Calls that may have been billed without an answer, before a request fails. 3, since each is "
        "money; calls that cost nothing are repeated for as long as the request has time.",
    )
    max_repairs: int = Field(
        1,
        alias="AI_MAX_REPAIRS",
        ge=0,
        le=10,
        description="Times a model is told what is wrong with its output and asked again. 1 mends most of what can "
        "be mended.",
    )
    on_unknown: OnUnknown = Field(
        "retry",
        alias="AI_ON_UNKNOWN",
        description="A call whose outcome a crash hid may have been paid: call again (`retry`) or end as failed "
        "(`fail`), unless the request says. `retry`, because people wait for answers.",
    )

    @property
    def reachable(self) -> dict[ProviderName, str]:
        """The providers that have a key or an address of their own, each with its default model."""
        models: dict[ProviderName, str] = {}
        if self.openai_api_key is not None or self.openai_base_url is not None:
            models["openai"] = self.openai_model
        if self.anthropic_api_key is not None or self.anthropic_base_url is not None:
            models["anthropic"] = self.anthropic_model
        return models


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
        description="Records of one partition that wait in memory. Fairness between users reaches this far; 1000 are "
        "two rounds of the process.",
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


class FeatureSettings(Group):
    """What is switched on. Off unless the variable is exactly `true`."""

    content_generation: OnlyTrue = Field(
        default=False,
        alias="FEATURE_CONTENT_GENERATION",
        description="Posts, messages, calendars and performance analyses. The embedded stack turns it on.",
    )
    chat_assistance: OnlyTrue = Field(
        default=False,
        alias="FEATURE_CHAT_ASSISTANCE",
        description="Chat responses and conversation starters. The embedded stack turns it on.",
    )
    image_analysis: OnlyTrue = Field(
        default=False,
        alias="FEATURE_IMAGE_ANALYSIS",
        description="Image analysis. Off, as all of these, until somebody decides to pay for it.",
    )
    voice_processing: OnlyTrue = Field(
        default=False,
        alias="FEATURE_VOICE_PROCESSING",
        description="Voice synthesis. Off until somebody decides to pay for it.",
    )
    blocked_terms: Terms = Field(
        default=(),
        alias="BLOCKED_TERMS",
        description="Comma-separated terms that no request may contain, in any case of letters. None by default.",
        examples=["first term,second term"],
    )

    @property
    def switched_on(self) -> frozenset[Switch]:
        """The variables of the switches that are on."""
        switches: dict[Switch, bool] = {
            "FEATURE_CONTENT_GENERATION": self.content_generation,
            "FEATURE_CHAT_ASSISTANCE": self.chat_assistance,
            "FEATURE_IMAGE_ANALYSIS": self.image_analysis,
            "FEATURE_VOICE_PROCESSING": self.voice_processing,
        }
        return frozenset(switch for switch, on in switches.items() if on)


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


class Settings(Group):
    """Everything a process is told, read once."""

    kafka: KafkaSettings = KafkaSettings()
    database: DatabaseSettings = DatabaseSettings()
    redis: RedisSettings = RedisSettings()
    providers: ProviderSettings = ProviderSettings()
    generation: GenerationSettings = GenerationSettings()
    sinks: SinkSettings = SinkSettings()
    features: FeatureSettings = FeatureSettings()
    process: ProcessSettings = ProcessSettings()
