"""Providers' limits as they are written in one variable."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator

from fanzgpt_workers.core.load import Limit
from fanzgpt_workers.settings.fallbacks import PROVIDERS

_PARTS: Final[Mapping[str, str]] = {
    "rpm": "requests",
    "tpm": "tokens",
    "input-tpm": "input_tokens",
    "output-tpm": "output_tokens",
    "concurrent": "concurrent",
}


def read_rate_limits(text: str) -> dict[tuple[str, str | None], Limit]:
    """Limits by provider and model; under None those of each of the provider's models that has none of its own.

    `anthropic:rpm=50,input-tpm=30000,output-tpm=8000;openai/gpt-4o:rpm=500,tpm=30000,concurrent=64`: entries are
    separated by semicolons, parts by commas; a part that is not named is not limited. Raises ValueError saying where.
    """
    limits: dict[tuple[str, str | None], Limit] = {}
    for entry in filter(None, (entry.strip() for entry in text.split(";"))):
        name, colon, parts = entry.rpartition(":")
        provider, slash, model = name.strip().partition("/")
        if not colon or provider not in PROVIDERS or (slash and not model):
            raise ValueError(f"{entry!r} should be a provider ({' or '.join(PROVIDERS)}) or one/model, a colon, parts")
        key = (provider, model or None)
        if key in limits:
            raise ValueError(f"{name.strip()} stands there twice")
        limits[key] = Limit(**dict(_part(part.strip()) for part in parts.split(",")))
    return limits


def _part(text: str) -> tuple[str, int]:
    name, equals, number = (word.strip() for word in text.partition("="))
    if name not in _PARTS or not equals or not number.isascii() or not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{text!r} should be one of {', '.join(_PARTS)}, an equals sign and a whole number from 1")
    return _PARTS[name], int(number)


def _read(value: object) -> object:
    return read_rate_limits(value) if isinstance(value, str) else value


RateLimits = Annotated[Mapping[tuple[str, str | None], Limit], BeforeValidator(_read)]
