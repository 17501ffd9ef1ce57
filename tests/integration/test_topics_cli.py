"""`fanzgpt topics` on a real broker."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fanzgpt_workers.cli import run
from fanzgpt_workers.errors import BrokerUnavailable, ConfigurationError
from fanzgpt_workers.topics.cluster import Cluster, open_cluster
from fanzgpt_workers.topics.planning import LiveTopic, Plan, WantedTopic, plan


@pytest.fixture
async def cluster(kafka_bootstrap: str) -> AsyncIterator[Cluster]:
    async with open_cluster(kafka_bootstrap) as cluster:
        yield cluster


@pytest.fixture
def name() -> str:
    return f"planned.{uuid.uuid4().hex}"


@pytest.fixture
def _command_line(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)


def wanted(name: str, **more: object) -> WantedTopic:
    fields = {"partitions": 2, "replication": 1, "keyed": True, "configs": {"retention.ms": "60000"}, **more}
    return WantedTopic(name=name, **fields)  # type: ignore[arg-type]  # the tests know their fields


async def of(cluster: Cluster, name: str) -> LiveTopic:
    (found,) = [topic for topic in await cluster.topics() if topic.name == name]
    return found


async def carried_out(cluster: Cluster, topic: WantedTopic, *, accept_rekey: bool = False) -> Plan:
    live = [found for found in await cluster.topics() if found.name == topic.name]
    decided = plan([topic], live, brokers=await cluster.brokers(), accept_rekey=accept_rekey)
    await cluster.carry_out(decided)
    return decided


async def test_a_missing_topic_is_there_when_apply_returns(cluster: Cluster, name: str) -> None:
    await carried_out(cluster, wanted(name))
    assert await of(cluster, name) == LiveTopic(
        name=name, partitions=2, replication=1, configs={"retention.ms": "60000"}
    )
    assert (await carried_out(cluster, wanted(name))).clean


async def test_a_keyed_topic_grows_when_that_is_accepted_and_not_before(cluster: Cluster, name: str) -> None:
    await carried_out(cluster, wanted(name))
    refused = await carried_out(cluster, wanted(name, partitions=4))
    assert "--accept-rekey" in refused.refused[0].why
    assert (await of(cluster, name)).partitions == 2
    await carried_out(cluster, wanted(name, partitions=4), accept_rekey=True)
    assert (await of(cluster, name)).partitions == 4


async def test_nothing_shrinks(cluster: Cluster, name: str) -> None:
    await carried_out(cluster, wanted(name))
    await carried_out(cluster, wanted(name, partitions=1), accept_rekey=True)
    assert (await of(cluster, name)).partitions == 2


async def test_a_changed_setting_leaves_the_other_settings_of_the_topic_alone(cluster: Cluster, name: str) -> None:
    await carried_out(cluster, wanted(name, configs={"retention.ms": "60000", "segment.bytes": "2097152"}))
    await carried_out(cluster, wanted(name, configs={"retention.ms": "90000", "cleanup.policy": "compact"}))
    assert (await of(cluster, name)).configs == {
        "retention.ms": "90000",
        "cleanup.policy": "compact",
        "segment.bytes": "2097152",
    }


async def test_what_the_broker_refuses_is_told_with_its_reason(cluster: Cluster, name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"refuses `\+ {name}.*`: Unknown topic config name: colour"):
        await carried_out(cluster, wanted(name, configs={"colour": "red"}))


async def test_several_at_once_make_one_topic(cluster: Cluster, kafka_bootstrap: str, name: str) -> None:
    decided = plan([wanted(name)], [], brokers=1)

    async def one() -> None:
        async with open_cluster(kafka_bootstrap) as mine:
            await mine.carry_out(decided)

    await asyncio.gather(one(), one(), one())
    assert (await of(cluster, name)).partitions == 2


async def test_a_broker_that_is_away_is_named() -> None:
    with pytest.raises(BrokerUnavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        async with open_cluster("127.0.0.1:1", deadline=2):
            pass


@pytest.mark.usefixtures("_command_line")
def test_after_apply_plan_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "apply"]) == 0
    capsys.readouterr()
    assert run(["topics", "plan", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["clean"] is True


@pytest.mark.usefixtures("_command_line")
def test_a_difference_is_shown_and_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "apply"]) == 0
    registry = Path(__file__).parents[2] / "topics.yaml"
    file = tmp_path / "topics.yaml"
    file.write_text(registry.read_text(encoding="utf-8").replace("retention: 7d", "retention: 6d"), encoding="utf-8")
    capsys.readouterr()
    assert run(["topics", "plan", str(file)]) == 2
    assert "~ ai.generation.requested: retention.ms 604800000 -> 518400000" in capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("_command_line")
def test_another_cluster_than_the_one_meant_is_not_touched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "apply", "--cluster", "production"]) == 2
    assert "not production: nothing was done" in capsys.readouterr().err


@pytest.mark.usefixtures("_command_line")
def test_export_prints_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "apply"]) == 0
    capsys.readouterr()
    assert run(["topics", "export", "-o", "json"]) == 0
    exported = json.loads(capsys.readouterr().out)["topics"]["ai.dead-letter"]
    assert exported["configs"]["compression.type"] == "gzip"
