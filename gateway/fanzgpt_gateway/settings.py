"""Everything the gateway is told: its variable, its unit, and why its default is what it is."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr

from fanzgpt_gateway.auth.keyring import ApiKeyHash, hashed_keys
from fanzgpt_gateway.auth.trusted import IssuerSettings, issuers_of
from fanzgpt_gateway.kafka_security import KafkaSecurity

METRICS_PORT: Final = 9407
_HOST_PORT: Final = r"[A-Za-z0-9_.\-]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}"

Network = IPv4Network | IPv6Network


def _items(value: object) -> object:
    return tuple(item.strip() for item in value.split(",") if item.strip()) if isinstance(value, str) else value


def _networks(value: object) -> object:
    return tuple(ip_network(item) for item in str(value).split(",") if item) if isinstance(value, str) else value


Items = Annotated[tuple[str, ...], BeforeValidator(_items)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
KeyHashes = Annotated[tuple[ApiKeyHash, ...], BeforeValidator(hashed_keys)]
Issuers = Annotated[tuple[IssuerSettings, ...], BeforeValidator(issuers_of)]


class Settings(KafkaSecurity):
    """Read once, frozen. In code the fields are given by name, from the environment by their variable."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    # The servers behind.
    bootstrap_servers: str = Field(
        alias="KAFKA_BOOTSTRAP_SERVERS",
        pattern=rf"^({_HOST_PORT})(,({_HOST_PORT}))*$",
        description="Brokers to ask first, host:port, comma-separated.",
        examples=["localhost:9092"],
    )
    database_url: SecretStr = Field(
        alias="DATABASE_URL",
        description="PostgreSQL with the ledger, which requests are read from by id.",
        examples=["postgresql://user:password@localhost:5432/fanz"],
    )
    redis_url: SecretStr | None = Field(
        None,
        alias="REDIS_URL",
        description="Redis or Valkey for the users' windows. Unset: each replica counts for itself.",
        examples=["redis://localhost:6379/0"],
    )
    send_timeout_seconds: float = Field(
        10.0,
        alias="KAFKA_SEND_TIMEOUT_SECONDS",
        ge=0.5,
        le=600,
        description="Seconds until an unacknowledged request is answered with 503. 10 leaves clients time to repeat.",
    )

    # Where it listens.
    host: str = Field(
        "127.0.0.1", alias="GATEWAY_HOST", min_length=1, description="Address of the API; 0.0.0.0 in a container."
    )
    port: int = Field(3100, alias="PORT", ge=0, le=65_535, description="Port of the API; 0 takes a free one.")
    metrics_host: str = Field(
        "127.0.0.1", alias="METRICS_HOST", min_length=1, description="Address of /metrics, /health/live, /health/ready."
    )
    metrics_port: int = Field(METRICS_PORT, alias="METRICS_PORT", ge=0, le=65_535, description="0 takes a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", alias="LOG_LEVEL", description="Least level that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", alias="LOG_FORMAT", description="`auto`: JSON in a pipe, text on a terminal."
    )
    ready_file: str | None = Field(
        None, alias="READY_FILE", description="File written once calls are taken: JSON with pid, port and metricsPort."
    )

    # Who may come in.
    api_key: SecretStr | None = Field(
        None,
        alias="FANZ_GPT_API_KEY",
        min_length=16,
        description="The key that services send. Kept as its hash, under the name `default`.",
    )
    api_keys: KeyHashes = Field(
        (),
        alias="GATEWAY_API_KEYS",
        description="Further keys, by name and SHA-256 in hex (`printf %s KEY | sha256sum`): name=hash,name=hash.",
        examples=["boyfanz=5e88…,main-api=2bb8…"],
    )
    jwt_secret: SecretStr | None = Field(
        None,
        alias="JWT_SECRET",
        min_length=32,
        description="The secret of HS256 tokens: 32 bytes at least, as RFC 7518 asks.",
    )
    jwt_issuer: str | None = Field(
        None, alias="JWT_ISSUER", min_length=1, description="`iss` of the tokens of JWT_SECRET. Unset: not looked at."
    )
    jwt_audience: str | None = Field(
        None, alias="JWT_AUDIENCE", min_length=1, description="`aud` of those tokens. Unset: they must have none."
    )
    jwt_issuers: Issuers = Field(
        (),
        alias="JWT_ISSUERS",
        description="Further issuers, a JSON list of {issuer, algorithm, key or jwks, audience?, kid?}: RS256, ES256 "
        "or EdDSA by a public key in PEM, or by the https address where the issuer publishes its keys; HS256 by a "
        "secret. An issuer has one algorithm, whatever a token says.",
    )
    jwt_leeway_seconds: int = Field(
        30, alias="JWT_LEEWAY_SECONDS", ge=0, le=60, description="Seconds by which clocks may differ."
    )

    # What one may ask, and how much.
    window_seconds: int = Field(
        900,
        alias="RATE_LIMIT_WINDOW_SECONDS",
        ge=1,
        le=86_400,
        description="Length of a user's window. 900 is the ecosystem's contract.",
    )
    window_requests: int = Field(
        100,
        alias="RATE_LIMIT_REQUESTS",
        ge=1,
        le=100_000,
        description="Requests of one user within a window; beyond, 429.",
    )
    window_premium_requests: int = Field(
        200,
        alias="RATE_LIMIT_PREMIUM_REQUESTS",
        ge=1,
        le=100_000,
        description="The same for `subscription: premium`.",
    )
    body_bytes: int = Field(
        1_000_000,
        alias="GATEWAY_BODY_BYTES",
        ge=1_024,
        le=16_777_216,
        description="Longest body that is read. A little less than what the topic of requests takes.",
    )
    body_seconds: float = Field(
        10.0, alias="GATEWAY_BODY_SECONDS", ge=0.1, le=300, description="Seconds in which a body has to arrive."
    )
    max_waiting: int = Field(
        10_000,
        alias="GATEWAY_MAX_WAITING",
        ge=1,
        le=1_000_000,
        description="Calls that wait for their answer at once; beyond, 503. 10000 are about 300 MiB.",
    )

    # What is too large for events.
    object_store_url: str | None = Field(
        None,
        alias="OBJECT_STORE_URL",
        pattern=r"^(file:///|s3://|gs://).+",
        description="Where uploaded images and speech are kept: the workers' own. Unset: no image is taken, only its "
        "address.",
        examples=["s3://fanz-media/gpt"],
    )
    signing_key: SecretStr | None = Field(
        None,
        alias="MEDIA_SIGNING_KEY",
        min_length=16,
        description="The workers' key: links to speech in a folder that are signed with it are served at /media/.",
    )
    image_bytes: int = Field(
        3_500_000,
        alias="IMAGE_MAX_BYTES",
        ge=1_000,
        le=52_428_800,
        description="Largest image that is taken. 3.5 MB are under 5 MB in base64, which is Anthropic's limit.",
    )

    # How long anything takes.
    wait_seconds: float = Field(
        29.0,
        alias="GATEWAY_WAIT_SECONDS",
        ge=0,
        le=600,
        description="Seconds a call waits for its answer; then 202 tells where it will be. One below the 30 of clients "
        "and of nginx, so that they see the 202 and not their own time-out.",
    )
    deadline_seconds: float = Field(
        300.0,
        alias="GATEWAY_DEADLINE_SECONDS",
        ge=1,
        le=86_400,
        description="Seconds after which nothing is spent on a request any more: by then nobody waits for it.",
    )
    drain_seconds: float = Field(
        30.0,
        alias="GATEWAY_DRAIN_SECONDS",
        ge=0,
        le=600,
        description="Seconds that waiting calls are given on SIGTERM; then they are told 202.",
    )

    # The way here.
    cors_origins: Items = Field(
        (), alias="CORS_ORIGINS", description="Origins whose pages may call, comma-separated. None by default."
    )
    trusted_proxies: Networks = Field(
        (),
        alias="TRUSTED_PROXIES",
        description="Networks whose X-Forwarded-For is believed, comma-separated. None by default: anybody can set it.",
        examples=["10.0.0.0/8,fd00::/8"],
    )
