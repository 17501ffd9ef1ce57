"""`fanzgpt` with a Kafka client that breaks as a fault in it would have it: nobody is told.

At SIGUSR1 it stops fetching, and heartbeats go on, so that the group leaves it its partitions. At SIGUSR2 it loses its
coordinator while its refresher of metadata has died, and looks for one for ever: seen after brokers were restarted.
Only members of a group that are there at that moment are hurt, and only inside the library.
"""

import signal
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import GroupCoordinatorNotAvailableError

from fanzgpt_workers.cli import main

members: list[AIOKafkaConsumer] = []
start = AIOKafkaConsumer.start


async def remembered(self: AIOKafkaConsumer) -> None:
    await start(self)
    if self._group_id is not None:
        members.append(self)


def stop_fetching(*_: Any) -> None:
    for member in members:
        member._fetcher._fetch_task.cancel()
    members.clear()


async def nobody(*_: Any) -> int:
    raise GroupCoordinatorNotAvailableError


def lose_coordinator(*_: Any) -> None:
    for member in members:
        member._client._sync_task.cancel()
        member._client.coordinator_lookup = nobody
        member._coordinator.coordinator_dead()
    members.clear()


if __name__ == "__main__":
    AIOKafkaConsumer.start = remembered
    signal.signal(signal.SIGUSR1, stop_fetching)
    signal.signal(signal.SIGUSR2, lose_coordinator)
    main()
