"""Which provider and model a request goes to."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A model at a provider."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class NoTarget:
    """No provider here serves the wish; the text is for its sender."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """What this worker can reach: the default provider, and each provider's default model."""

    default_provider: str
    models: Mapping[str, str]

    def target(self, *, provider: str | None, model: str | None) -> Target | NoTarget:
        """The caller's wish where given, the defaults elsewhere."""
        name = provider or self.default_provider
        default_model = self.models.get(name)
        if default_model is None:
            return NoTarget(
                f"no provider {name!r} is set up here; there is: {', '.join(sorted(self.models)) or 'none'}"
            )
        return Target(name, model or default_model)
