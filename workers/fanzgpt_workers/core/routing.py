"""Which provider and model a request goes to, and which ones it falls back to."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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

    `fallbacks` is by generation type; under None stands what holds for the types that are not named.
    """

    default_provider: str
    models: Mapping[str, str]
    fallbacks: Mapping[str | None, tuple[Target, ...]] = field(default_factory=dict)

    def chain(self, *, provider: str | None, model: str | None, generation_type: str) -> tuple[Target, ...] | NoTarget:
        """The caller's wish where given, the defaults elsewhere; then what is called while that one is down.

        Whoever names a provider or a model gets that one and no other.
        """
        name = provider or self.default_provider
        default_model = self.models.get(name)
        if default_model is None:
            return NoTarget(
                f"no provider {name!r} is set up here; there is: {', '.join(sorted(self.models)) or 'none'}"
            )
        first = Target(name, model or default_model)
        if provider or model:
            return (first,)
        others = self.fallbacks.get(generation_type, self.fallbacks.get(None, ()))
        return (first, *(other for other in others if other != first))
