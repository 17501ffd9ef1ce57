"""Consumer groups as the brokers know them: members, who holds what, committed offsets."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from fanzgpt_producers.security import Security
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.errors import BrokerUnavailable

_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One group. `owners` names the member that holds a partition; `committed` lacks what was never committed."""

    name: str
    members: int
    owners: Mapping[Partition, str]
    committed: Mapping[Partition, int]


class Groups:
    """Reads groups over one connection; raises BrokerUnavailable once `deadline` seconds have passed."""

    def __init__(self, admin: AIOKafkaAdminClient, *, address: str, deadline: float) -> None:
        """Use `open_groups`."""
        self._admin = admin
        self._address = address
        self._deadline = deadline

    async def names(self, prefix: str) -> list[str]:
        """The groups that the brokers know by a name with this prefix."""
        return sorted(name for name, *_ in await self._patiently("list", self._list) if str(name).startswith(prefix))

    async def partitions(self, topics: Collection[str]) -> list[Partition]:
        """The partitions of those of the topics that exist."""
        found = await self._patiently("topics", self._describe_topics)
        return sorted(
            Partition(topic["topic"], partition["partition"])
            for topic in found
            if topic["topic"] in topics
            for partition in topic["partitions"]
        )

    async def read(self, name: str) -> Group:
        """The group; one that does not exist has no members and committed nothing."""

        async def described() -> Group:
            owners: dict[Partition, str] = {}
            members = 0
            for answer in await self._admin.describe_consumer_groups([name]):
                for code, _, _, _, _, found, *_ in answer.groups:
                    if code and for_code(code).retriable:
                        raise for_code(code)(name)
                    members = len(found)
                    for _, client, host, _, assignment in found:
                        for partition in _assigned(assignment):
                            owners[partition] = f"{client}@{host.lstrip('/')}"
            offsets = await self._admin.list_consumer_group_offsets(name)
            committed = {Partition(*tp): at.offset for tp, at in offsets.items() if at.offset >= 0}
            return Group(name=name, members=members, owners=owners, committed=committed)

        group: Group = await self._patiently(f"group {name}", described)
        return group

    async def _list(self) -> Any:
        return await self._admin.list_consumer_groups()

    async def _describe_topics(self) -> Any:
        return await self._admin.describe_topics()

    async def _patiently(self, what: str, ask: Any) -> Any:
        """Ask again while the brokers say that it is too early, as a new cluster does of its groups."""
        try:
            async with asyncio.timeout(self._deadline):
                while True:
                    try:
                        return await ask()
                    except KafkaError as error:
                        if not error.retriable:
                            raise
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError as error:
            text = f"Kafka at {self._address} did not answer within {self._deadline:g} s ({what})"
            raise BrokerUnavailable(text) from error
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable(f"Kafka at {self._address}: {error} ({what})") from error


@asynccontextmanager
async def open_groups(
    bootstrap_servers: str, *, security: Security | None = None, deadline: float = 15.0
) -> AsyncIterator[Groups]:
    """Connect for the block; raises BrokerUnavailable, naming the address, when no broker answers."""
    security = security or Security()
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers,
        client_id="fanzgpt-lag",
        request_timeout_ms=int(deadline * 1000),
        **security.options(),
    )
    try:
        try:
            async with asyncio.timeout(deadline):
                await admin.start()
        except (KafkaConnectionError, TimeoutError) as error:
            raise BrokerUnavailable(f"Kafka at {bootstrap_servers} does not answer: {security.doubt}") from error
        yield Groups(admin, address=bootstrap_servers, deadline=deadline)
    finally:
        await admin.close()


def _assigned(assignment: bytes) -> list[Partition]:
    if not assignment:
        return []
    return [Partition(*tp) for tp in ConsumerProtocolMemberAssignment.decode(assignment).partitions()]
