"""Which provider and model a request goes to, and which ones it falls back to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

STAND_IN: Final = "stand-in"
"""The provider that is none: it answers on this machine where no model can, and says so in every answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """A model at a provider."""

    provider: str
    model: str

    def __str__(self) -> str:
        """`openai/gpt-4o-mini`."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class NoTarget:
    """No provider here serves the wish; the text is for its sender."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """What this worker can reach: the default provider, each provider's default model, and the fallbacks.

    `fallbacks` is by generation type; under None stands what holds for the types that are not named. `own` is for types
    that not every provider serves: the providers that do, each with its model for them, the default one first.
    """

    default_provider: str
    models: Mapping[str, str]
    fallbacks: Mapping[str | None, tuple[Target, ...]] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def chain(self, *, provider: str | None, model: str | None, generation_type: str) -> tuple[Target, ...] | NoTarget:
        """The caller's wish where given, the defaults elsewhere; then what is called while that one is down.

        Whoever names a provider or a model gets that one and no other.
        """
        models = self.own.get(generation_type, self.models)
        name = provider or (next(iter(models), "") if generation_type in self.own else self.default_provider)
        default_model = models.get(name)
        if default_model is None:
            known = ", ".join(sorted(models)) or "none"
            return NoTarget(f"no provider {name!r} is set up here for {generation_type}; there is: {known}")
        first = Target(name, model or default_model)
        if provider or model:
            return (first,)
        # A chain for all types is one of models that write: where few providers serve a type, it names its own.
        others = self.fallbacks.get(
            generation_type, () if generation_type in self.own else self.fallbacks.get(None, ())
        )
        return (first, *(other for other in others if other != first))
