"""Three brokers: everything is there three times, a write needs two, and one that is killed comes back alone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from fanzgpt_stack.processes import marked
from fanzgpt_stack.servers import StackServers

TOPIC = "kept-three-times"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackServers]:
    servers = StackServers(tmp_path_factory.mktemp("cluster"), brokers=3, with_model=False)
    try:
        servers.up()
        yield servers
    finally:
        servers.down(wipe=True)


def pids(home: Path) -> dict[str, int]:
    return {marker.partition("#")[2]: process.pid for marker, process in marked(f"{home}#")}


async def test_a_topic_is_kept_three_times_and_written_while_one_broker_is_away(cluster: StackServers) -> None:
    addresses = cluster.endpoints()["KAFKA_BOOTSTRAP_SERVERS"]
    assert len(addresses.split(",")) == 3
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses)
    await admin.start()
    try:
        created = await admin.create_topics([NewTopic(TOPIC, num_partitions=3, replication_factor=3)])
        assert [code for _, code, *_ in created.topic_errors] == [0]
        # A broker that is asked right away may not have heard of it yet.
        until = monotonic() + 20
        replicas: list[int] = []
        while len(replicas) < 3 and monotonic() < until:
            (topic,) = await admin.describe_topics([TOPIC])
            replicas = [len(partition["replicas"]) for partition in topic["partitions"]]
        assert replicas == [3, 3, 3]
        (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)])
        settings = {name: value for name, value, *_ in response.resources[0][4]}
        assert settings["min.insync.replicas"] == "2"
    finally:
        await admin.close()

    before = pids(cluster.home)
    os.kill(before["kafka-2"], signal.SIGKILL)
    async with AIOKafkaProducer(bootstrap_servers=addresses, acks="all", enable_idempotence=True) as producer:
        for partition in range(3):
            await producer.send_and_wait(TOPIC, b"written", partition=partition)

    assert cluster.up()["KAFKA_BOOTSTRAP_SERVERS"] == addresses
    after = pids(cluster.home)
    assert {name for name in after if after[name] != before[name]} == {"kafka-2"}
