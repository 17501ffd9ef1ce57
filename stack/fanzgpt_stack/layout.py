"""Which servers a stack has, in which folders, on which ports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Final, Self

from fanzgpt_stack.folders import made
from fanzgpt_stack.kafka.broker import Broker, Listener
from fanzgpt_stack.local_model import LocalModel
from fanzgpt_stack.postgres import Postgres
from fanzgpt_stack.server import Server
from fanzgpt_stack.valkey import Valkey
from fanzgpt_workers.errors import ConfigurationError

Tell = Callable[[str, str], None]
"""Takes a server's name and what happens to it, in a few words. May be called from several threads."""

CLUSTER_SIZES: Final = (1, 3)
MODEL: Final = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A stack on paper: `home` holds a folder per server."""

    home: Path
    brokers: int
    with_model: bool
    environ: Mapping[str, str] = field(repr=False)
    tell: Tell = field(repr=False)

    @classmethod
    def of(cls, home: Path, *, brokers: int | None, with_model: bool, environ: Mapping[str, str], tell: Tell) -> Self:
        """The stack of that folder; `brokers` None means as many as its data is for, else one.

        Raises ConfigurationError for a size that no cluster has, or that the data is not for.
        """
        present = brokers_on_disk(home)
        if brokers is not None and brokers not in CLUSTER_SIZES:
            raise ConfigurationError(f"a cluster of {brokers} brokers: --brokers takes 1 or 3")
        if brokers is not None and present is not None and brokers != present:
            raise ConfigurationError(
                f"{home} holds a Kafka cluster of {present}, not of {brokers}. Keep it (leave --brokers out), remove "
                "it with `fanzgpt stack down --wipe`, or start another stack with --home"
            )
        return cls(home=home, brokers=brokers or present or 1, with_model=with_model, environ=environ, tell=tell)

    @property
    def port_names(self) -> Mapping[str, tuple[str, ...]]:
        """Every server's name, with the names of its ports."""
        nodes = {f"kafka-{node}": (f"kafka-{node}", f"kafka-{node}-quorum") for node in self._nodes}
        others = ("postgres", "valkey", *((MODEL,) if self.with_model else ()))
        return {**nodes, **{name: (name,) for name in others}}

    def servers(self, ports: Mapping[str, int]) -> tuple[Server, ...]:
        """Every server on its ports, the slowest to start first."""
        listeners = {
            node: Listener(port=ports[f"kafka-{node}"], controller_port=ports[f"kafka-{node}-quorum"])
            for node in self._nodes
        }
        brokers = (self._broker(node, listeners) for node in self._nodes)
        postgres = Postgres(folder=self.home / "postgres", port=ports["postgres"])
        valkey = Valkey(folder=self.home / "valkey", port=ports["valkey"])
        model = (LocalModel(port=ports[MODEL]),) if self.with_model else ()
        return (*brokers, postgres, valkey, *model)

    def _broker(self, node: int, listeners: Mapping[int, Listener]) -> Broker:
        name = f"kafka-{node}"
        return Broker(
            node=node,
            listeners=listeners,
            folder=self.home / name,
            environ=self.environ,
            tell=lambda what: self.tell(name, what),
        )

    @property
    def _nodes(self) -> range:
        return range(1, self.brokers + 1)


def stop_signal(name: str) -> Signals:
    """The signal by which a server ends on its own, without waiting for its clients."""
    # PostgreSQL's answer to SIGTERM is to wait until the last client has left.
    return SIGINT if name == "postgres" else SIGTERM


def brokers_on_disk(home: Path) -> int | None:
    """The size of the cluster whose data is in this home; None if there is none that is whole."""
    for folder in sorted(home.glob("kafka-*")):
        note = made(folder) or ""
        if note.startswith("nodes=") and note[6:].isdigit():
            return int(note[6:])
    return None
