"""`fanzgpt` with a Kafka client that stops fetching at SIGUSR1, as a fault in it would have it: nobody is told.

Only members of a group that are there at that moment are hurt, and only inside the library: heartbeats go on, so that
the group leaves them their partitions.
"""

import signal
from typing import Any

from aiokafka import AIOKafkaConsumer

from fanzgpt_workers.cli import main

members: list[AIOKafkaConsumer] = []
start = AIOKafkaConsumer.start


async def remembered(self: AIOKafkaConsumer) -> None:
    await start(self)
    if self._group_id is not None:
        members.append(self)


def break_members(*_: Any) -> None:
    for member in members:
        member._fetcher._fetch_task.cancel()
    members.clear()


if __name__ == "__main__":
    AIOKafkaConsumer.start = remembered
    signal.signal(signal.SIGUSR1, break_members)
    main()
