"""Fallback chains as they are written in one variable."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator

from fanzgpt_workers.core.admission import SWITCH_OF
from fanzgpt_workers.core.routing import Target

PROVIDERS: Final = ("openai", "anthropic")


def read_fallbacks(text: str) -> dict[str | None, tuple[Target, ...]]:
    """Chains by generation type; under None the one for all types that have none of their own.

    `anthropic/claude-haiku-4-5;chat-response=openai/gpt-4o,anthropic/claude-haiku-4-5;content-calendar=`: chains are
    separated by semicolons, models of a chain by commas; an empty chain is one, too. Raises ValueError saying where.
    """
    chains: dict[str | None, tuple[Target, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        before, equals, after = part.partition("=")
        kind = before.strip() if equals else None
        if kind is not None and kind not in SWITCH_OF:
            raise ValueError(f"{kind!r} is no generation type; there is: {', '.join(SWITCH_OF)}")
        if kind in chains:
            raise ValueError(f"{kind or 'the chain for every type'} stands there twice")
        names = (after if equals else before).split(",")
        chains[kind] = tuple(_target(name.strip()) for name in names if name.strip())
    return chains


def _target(name: str) -> Target:
    provider, slash, model = name.partition("/")
    if not slash or provider not in PROVIDERS or not model:
        raise ValueError(f"{name!r} should be a provider ({' or '.join(PROVIDERS)}), a slash and a model")
    return Target(provider, model)


def _read(value: object) -> object:
    return read_fallbacks(value) if isinstance(value, str) else value


Fallbacks = Annotated[Mapping[str | None, tuple[Target, ...]], BeforeValidator(_read)]
