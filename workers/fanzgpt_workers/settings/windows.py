"""How much one user may ask, over the topics as over HTTP."""

from pydantic import Field

from fanzgpt_workers.settings.group import Group


class WindowSettings(Group):
    """The users' windows, which the gateway's settings of the same names have to agree with."""

    on_topics: bool = Field(
        True,
        alias="RATE_LIMIT_TOPICS",
        description="Whether requests that were published on the topics count in their user's window. On, because a "
        "limit with a way around it is none; off where only services publish that have limits of their own.",
    )
    seconds: int = Field(
        900,
        alias="RATE_LIMIT_WINDOW_SECONDS",
        ge=1,
        le=86_400,
        description="Length of a user's window. 900 is the ecosystem's contract.",
    )
    requests: int = Field(
        100,
        alias="RATE_LIMIT_REQUESTS",
        ge=1,
        le=100_000,
        description="Requests of one user within a window; one more is rejected. Needs Redis.",
    )
    premium_requests: int = Field(
        200,
        alias="RATE_LIMIT_PREMIUM_REQUESTS",
        ge=1,
        le=100_000,
        description="The same for requests whose metadata say `subscription: premium`.",
    )
