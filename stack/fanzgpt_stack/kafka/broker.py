"""One node of the embedded cluster: broker and controller in one process, small and quick to start.

A cluster has one node, or three; with three, everything is kept three times and a write needs two of them.
"""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Final

from fanzgpt_stack.errors import StackError
from fanzgpt_stack.folders import make_once
from fanzgpt_stack.kafka.distribution import VERSION, Distribution, keep_class_archive, obtain
from fanzgpt_stack.kafka.metadata import known_brokers
from fanzgpt_stack.loopback import HOST
from fanzgpt_stack.server import Launch, digest

# The same everywhere, so that a single node's folder can be made anew and still belong to its cluster.
_CLUSTER_ID: Final = "ZmFuemdwdC1zdGFjay0wMQ"

_JVM: Final = (
    "-Xms256m",
    "-Xmx512m",
    # For one busy laptop, not for throughput: fewer threads, and no second compiler that competes with the tests.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where a node listens: for clients, and for its peers in the quorum."""

    port: int
    controller_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The node `node` of the cluster `listeners`, by node id from 1; its data is in `folder`."""

    node: int
    listeners: Mapping[int, Listener]
    folder: Path
    environ: Mapping[str, str] = field(repr=False)
    tell: Callable[[str], None] = field(repr=False)
    title: str = f"Apache Kafka {VERSION}"

    @property
    def name(self) -> str:
        """`kafka-1` and so on."""
        return f"kafka-{self.node}"

    @property
    def port(self) -> int:
        """Where clients reach it."""
        return self.listeners[self.node].port

    @property
    def configuration(self) -> str:
        """A digest of its settings; those of its peers' addresses are among them."""
        return digest(self._properties(), *_JVM)

    def prepare(self) -> Launch:
        """Fetch Kafka if this user has none yet, format the data folder if there is none, write the settings."""
        kafka = obtain(self.environ, tell=self.tell)
        make_once(self.folder, lambda folder: self._format(folder, kafka), note=f"nodes={len(self.listeners)}")
        self._write_properties()
        (self.folder / "log4j2.yaml").write_bytes(files("fanzgpt_stack.kafka").joinpath("log4j2.yaml").read_bytes())
        return Launch(
            argv=(
                *(str(kafka.java.program), *_JVM, *self._class_archive(kafka)),
                f"-Dlog4j2.configurationFile={self.folder / 'log4j2.yaml'}",
                *("-cp", kafka.classpath, "kafka.Kafka", str(self._settings)),
            )
        )

    def is_ready(self) -> bool:
        """Whether it answers a metadata request that names every node of the cluster."""
        try:
            return known_brokers(HOST, self.port, timeout=1.0) >= self.listeners.keys()
        except OSError:
            return False

    def settle(self) -> None:
        """Nothing is needed inside it: topics are made by `fanzgpt topics apply`."""

    def endpoints(self) -> Mapping[str, str]:
        """KAFKA_BOOTSTRAP_SERVERS, every node of the cluster."""
        addresses = (f"{HOST}:{listener.port}" for _, listener in sorted(self.listeners.items()))
        return {"KAFKA_BOOTSTRAP_SERVERS": ",".join(addresses)}

    def tidy(self) -> None:
        """Keep the classes it had loaded, for every later start of this user's brokers."""
        for archive in self._own_archives():
            keep_class_archive(archive, self.environ)

    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"

    def _own_archives(self) -> list[Path]:
        return list(self.folder.glob("*.jsa"))

    def _class_archive(self, kafka: Distribution) -> tuple[str, ...]:
        if kafka.class_archive.is_file():
            return (
                f"-XX:SharedArchiveFile={kafka.class_archive}",
                "-Xshare:auto",
                "-Xlog:cds=off",
                "-Xlog:cds+dynamic=off",
            )
        for broken_off in self._own_archives():
            broken_off.unlink()
        # Written when the process ends. One node is enough.
        return (f"-XX:ArchiveClassesAtExit={self.folder / kafka.class_archive.name}",) if self.node == 1 else ()

    def _format(self, folder: Path, kafka: Distribution) -> None:
        self._write_properties()
        done = subprocess.run(  # noqa: S603  # our own words only
            [
                *(str(kafka.java.program), "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                *("-cp", kafka.classpath, "kafka.tools.StorageTool", "format"),
                *("--cluster-id", _CLUSTER_ID, "--config", str(self._settings)),
            ],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise StackError(f"Kafka could not format its data folder {folder}:\n{done.stdout}{done.stderr}")

    def _write_properties(self) -> None:
        self._settings.write_text(self._properties(), encoding="utf-8")

    def _properties(self) -> str:
        copies = min(3, len(self.listeners))
        mine = self.listeners[self.node]
        clients = f"CLIENTS://{HOST}:{mine.port}"
        voters = (f"{node}@{HOST}:{listener.controller_port}" for node, listener in sorted(self.listeners.items()))
        settings = {
            "process.roles": "broker,controller",
            "node.id": self.node,
            "log.dirs": self.folder / "data",
            "listeners": f"{clients},QUORUM://{HOST}:{mine.controller_port}",
            "advertised.listeners": clients,
            "listener.security.protocol.map": "CLIENTS:PLAINTEXT,QUORUM:PLAINTEXT",
            "inter.broker.listener.name": "CLIENTS",
            "controller.listener.names": "QUORUM",
            # Fixed voters, because their addresses then come from here and may change between two starts.
            "controller.quorum.voters": ",".join(voters),
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": max(1, copies - 1),
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": max(1, copies - 1),
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": max(1, copies - 1),
            # A laptop's groups are few and their members are tested by killing them.
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            # After this long instead of 9 s, a killed broker may come back and its partitions get another leader.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "background.threads": 2,
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
