"""What a command knows of its surroundings, and the settings it reads from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from typer import Context

from fanzgpt_workers.embedded import EmbeddedStack, find_embedded

if TYPE_CHECKING:
    from fanzgpt_workers.settings import Need, Settings

Environ: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of the command line."""

    environ: Environ = field(repr=False)

    @classmethod
    def of(cls, context: Context) -> "Invocation":
        """The invocation that a command runs in."""
        found = context.find_object(cls)
        assert found is not None, "the command line hands its invocation to every command"  # noqa: S101
        return found

    def embedded(self) -> EmbeddedStack | None:
        """The embedded stack, if one is up."""
        return find_embedded(self.environ)

    def settings(self, *needs: "Need") -> "Settings":
        """The settings; raises ConfigurationError for every wrong one, and for each of `needs` that is missing."""
        self.silence_libraries()
        from fanzgpt_workers.settings import load_settings  # noqa: PLC0415  # 250 ms that `--help` does not pay

        return load_settings(self.environ, embedded=self._endpoints(), needs=frozenset(needs))

    def silence_libraries(self) -> None:
        """What a library would log, a command says itself, in one line; a worker opens its own logs."""
        import logging  # noqa: PLC0415  # not for `--help`

        if not logging.getLogger().handlers:
            logging.getLogger().addHandler(logging.NullHandler())

    def _endpoints(self) -> Mapping[str, str] | None:
        stack = self.embedded()
        return None if stack is None else stack.endpoints
