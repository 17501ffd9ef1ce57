"""The language models: which are asked, and how."""

from typing import Literal

from pydantic import Field, SecretStr

from fanzgpt_workers.settings.fallbacks import Fallbacks
from fanzgpt_workers.settings.group import Group
from fanzgpt_workers.settings.rate_limits import RateLimits

ProviderName = Literal["openai", "anthropic"]
OnUnknown = Literal["retry", "fail"]


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
    openai_priced_as: str | None = Field(
        None,
        alias="OPENAI_PRICED_AS",
        description="Provider whose prices hold at OPENAI_BASE_URL, by its id in the price list of genai-prices. "
        "Unset: the address says, and calls to an unknown address have no price.",
        examples=["openai"],
    )
    openai_store_answers: bool = Field(
        False,
        alias="OPENAI_STORE_ANSWERS",
        description="Have OpenAI keep each answer (for 30 days, with its prompt), and fetch one that was lost on the "
        "way, when its worker died, instead of paying for it again. Off: nothing is kept there.",
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
    anthropic_priced_as: str | None = Field(
        None,
        alias="ANTHROPIC_PRICED_AS",
        description="Provider whose prices hold at ANTHROPIC_BASE_URL, by its id in the price list of genai-prices. "
        "Unset: the address says, and calls to an unknown address have no price.",
        examples=["anthropic"],
    )
    anthropic_model: str = Field(
        "claude-haiku-4-5",
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
        description="Calls a minute the provider allows all workers together; more of them wait. 50 is a new account's "
        "limit. At an address of one's own (OPENAI_BASE_URL, ANTHROPIC_BASE_URL) it counts only where it is set.",
    )
    tokens_per_minute: int = Field(
        50_000,
        alias="AI_RATE_LIMIT_TPM",
        ge=1,
        description="Tokens a minute the provider allows all workers together, as AI_RATE_LIMIT_RPM. 50000 is a new "
        "account's limit. Where neither of the two is set, what the provider says of its limits counts instead.",
    )
    rate_limits: RateLimits = Field(
        {},
        alias="AI_RATE_LIMITS",
        description="Limits of a provider, or of one of its models, in the place of AI_RATE_LIMIT_RPM and "
        "AI_RATE_LIMIT_TPM: `rpm`, `tpm`, `input-tpm` and `output-tpm` a minute, and `concurrent` calls at once, all "
        "workers together. None by default.",
        examples=["anthropic:rpm=50,input-tpm=30000,output-tpm=8000;openai/gpt-4o:rpm=500,tpm=30000,concurrent=64"],
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
    fallbacks: Fallbacks = Field(
        {},
        alias="AI_FALLBACKS",
        description="Models to call, in this order, while the one of a request that names none is down: for all types, "
        "or for one (`type=`), chains separated by semicolons. None by default, since another model costs another "
        "price.",
        examples=["anthropic/claude-haiku-4-5;content-calendar=openai/gpt-4o,anthropic/claude-haiku-4-5"],
    )
    breaker_probe_seconds: float = Field(
        5.0,
        alias="AI_BREAKER_PROBE_SECONDS",
        ge=0.1,
        le=600,
        description="Seconds between the calls that ask a model found down whether it is back. 5 wastes at most twelve "
        "calls a minute of an outage, by all workers together.",
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
