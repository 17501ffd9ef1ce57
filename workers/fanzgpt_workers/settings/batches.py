"""The half-price lane: which requests wait for the providers' batches, and for how long."""

from typing import Annotated, get_args

from pydantic import BeforeValidator, Field

from fanzgpt_workers.settings.group import Group
from fanzgpt_workers.settings.providers import ProviderName


def _providers(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if name not in get_args(ProviderName):
            raise ValueError(f"{name!r} has no batches here; there is: {', '.join(get_args(ProviderName))}")
    return names


Providers = Annotated[tuple[ProviderName, ...], BeforeValidator(_providers)]


class BatchSettings(Group):
    """What is called together, at half the price, some time within a day."""

    providers: Providers = Field(
        (),
        alias="BATCH_PROVIDERS",
        description="Providers whose batch API is used for requests of the batch topic. Unset, they are called one by "
        "one like all others. What waited is then called for, too.",
        examples=["openai,anthropic"],
    )
    far_seconds: float | None = Field(
        None,
        alias="BATCH_FAR_SECONDS",
        ge=3600,
        description="Requests of the other topics wait for a batch too when their deadline is at least so far away. "
        "Unset, none does.",
    )
    least_seconds: float = Field(
        6 * 3600,
        alias="BATCH_LEAST_SECONDS",
        ge=0,
        description="With a deadline nearer than this a request does not wait for a batch. Batches take up to a day, "
        "mostly far less.",
    )
    lead_seconds: float = Field(
        1800,
        alias="BATCH_LEAD_SECONDS",
        ge=0,
        description="So long before its deadline a request that still waits is called by itself; a batch under way is "
        "cancelled for it, which takes the provider up to ten minutes.",
    )
    age_seconds: float = Field(
        300,
        alias="BATCH_AGE_SECONDS",
        ge=0,
        description="A batch is made once its first request has waited so long, however few they are.",
    )
    most_calls: int = Field(
        10_000,
        alias="BATCH_MOST_CALLS",
        ge=1,
        le=50_000,
        description="Requests of a batch; it is made at once when there are so many. OpenAI takes 50,000, Anthropic "
        "100,000.",
    )
    most_bytes: int = Field(
        32 * 1024 * 1024,
        alias="BATCH_MOST_BYTES",
        ge=65_536,
        le=64 * 1024 * 1024,
        description="Bytes of the requests of a batch, their prompts' own words not counted. OpenAI takes files of "
        "200 MB, Anthropic of 256.",
    )
    poll_seconds: float = Field(
        30,
        alias="BATCH_POLL_SECONDS",
        gt=0,
        le=3600,
        description="Between two looks at a batch under way, and at what waits.",
    )
    lease_seconds: float = Field(
        300,
        alias="BATCH_LEASE_SECONDS",
        gt=0,
        le=3600,
        description="After so many seconds without a word another worker goes on with a batch. Longer than a batch "
        "takes to be handed over, so that one is never asked for while it is being made.",
    )
