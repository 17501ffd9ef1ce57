from pathlib import Path

import pytest

from fanzgpt_stack.folders import make_once
from fanzgpt_stack.layout import Layout
from fanzgpt_workers.errors import ConfigurationError


def layout(home: Path, *, brokers: int | None = None, with_model: bool = False) -> Layout:
    return Layout.of(home, brokers=brokers, with_model=with_model, environ={}, tell=lambda _server, _what: None)


def ports_of(layout: Layout) -> dict[str, int]:
    names = [port for ports in layout.port_names.values() for port in ports]
    return {name: 20_000 + number for number, name in enumerate(names)}


def test_a_new_stack_has_one_broker(tmp_path: Path) -> None:
    found = layout(tmp_path)
    assert [server.name for server in found.servers(ports_of(found))] == ["kafka-1", "postgres", "valkey"]


def test_a_cluster_is_reached_through_any_of_its_brokers(tmp_path: Path) -> None:
    found = layout(tmp_path, brokers=3)
    ports = ports_of(found)
    addresses = ",".join(f"127.0.0.1:{ports[f'kafka-{node}']}" for node in (1, 2, 3))
    assert found.servers(ports)[0].endpoints() == {"KAFKA_BOOTSTRAP_SERVERS": addresses}


@pytest.mark.parametrize("brokers", [0, 2, 4, -1])
def test_other_sizes_are_refused(tmp_path: Path, brokers: int) -> None:
    with pytest.raises(ConfigurationError, match="takes 1 or 3"):
        layout(tmp_path, brokers=brokers)


def test_data_of_a_cluster_of_three_is_used_by_three(tmp_path: Path) -> None:
    make_once(tmp_path / "kafka-2", lambda _: None, note="nodes=3")
    assert layout(tmp_path).brokers == 3
    with pytest.raises(ConfigurationError, match="holds a Kafka cluster of 3, not of 1"):
        layout(tmp_path, brokers=1)


def test_a_peer_on_another_port_is_another_configuration(tmp_path: Path) -> None:
    found = layout(tmp_path, brokers=3)
    ports = ports_of(found)
    before = found.servers(ports)[0].configuration
    assert found.servers(ports)[0].configuration == before
    assert found.servers({**ports, "kafka-2-quorum": 30_000})[0].configuration != before
