"""Answers that are kept: which, and for how long."""

from typing import Annotated, Final, get_args

from pydantic import BeforeValidator, Field

from fanzgpt_schemas.requests import GENERATION_TYPES, GenerationType
from fanzgpt_workers.settings.group import Group

KEPT_BY_DEFAULT: Final[tuple[GenerationType, ...]] = (
    "social-post",
    "personalized-message",
    "conversation-starters",
    "image-analysis",
)


def _types(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if name not in GENERATION_TYPES:
            raise ValueError(f"{name!r} is no generation type; there is: {', '.join(get_args(GenerationType))}")
    return names


Types = Annotated[tuple[GenerationType, ...], BeforeValidator(_types)]


class CacheSettings(Group):
    """Answers to what a user asks again; they need a Redis."""

    seconds: int = Field(
        3600,
        alias="AI_CACHE_TTL_SECONDS",
        ge=0,
        le=604_800,
        description="Seconds for which an answer serves the same question of the same user again; 0 for never. 3600 is "
        "the ecosystem's default.",
    )
    types: Types = Field(
        KEPT_BY_DEFAULT,
        alias="AI_CACHE_TYPES",
        description="Generation types whose answers are kept. Not chat, where the same words are said twice and want "
        "two answers, nor calendars and analyses, which depend on the day.",
        examples=["social-post,image-analysis"],
    )
