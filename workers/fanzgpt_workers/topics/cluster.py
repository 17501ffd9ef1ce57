"""The broker's side of topics: reading what is there, and carrying a plan out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    BrokerResponseError,
    KafkaConnectionError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)

from fanzgpt_producers.security import Security
from fanzgpt_workers.errors import BrokerUnavailable, ConfigurationError
from fanzgpt_workers.topics.planning import Configure, Create, Grow, LiveTopic, Plan, Step

_SET_ON_THE_TOPIC: Final = 1  # config_source DYNAMIC_TOPIC_CONFIG
_POLL_SECONDS: Final = 0.05


class Cluster:
    """One connection to the brokers. Every call raises BrokerUnavailable once `deadline` seconds have passed."""

    def __init__(self, admin: AIOKafkaAdminClient, *, address: str, deadline: float) -> None:
        """Use `open_cluster`."""
        self._admin = admin
        self.address = address
        self._deadline = deadline

    async def cluster_id(self) -> str:
        """The cluster's own id."""
        async with self._bounded():
            return str((await self._admin.describe_cluster())["cluster_id"])

    async def require_id(self, expected: str | None) -> None:
        """Raise ConfigurationError unless this is the cluster that was meant; None accepts any."""
        if expected is not None and (found := await self.cluster_id()) != expected:
            raise ConfigurationError(
                f"Kafka at {self.address} is the cluster {found}, not {expected}: nothing was done"
            )

    async def brokers(self) -> int:
        """How many brokers are up."""
        async with self._bounded():
            return len((await self._admin.describe_cluster())["brokers"])

    async def topics(self) -> list[LiveTopic]:
        """Every topic, internal ones left out, with the configurations that were set on it."""
        async with self._bounded():
            found = [topic for topic in await self._admin.describe_topics() if not topic["is_internal"]]
            configs = await self._configs([topic["topic"] for topic in found])
        return [
            LiveTopic(
                name=topic["topic"],
                partitions=len(topic["partitions"]),
                replication=min(len(partition["replicas"]) for partition in topic["partitions"]),
                configs=configs[topic["topic"]],
            )
            for topic in sorted(found, key=lambda topic: str(topic["topic"]))
            if topic["partitions"]
        ]

    async def carry_out(self, plan: Plan, *, told: Callable[[Step], None] = lambda _: None) -> None:
        """Take the plan's steps one by one, `told` after each, and return once every broker shows the result.

        May be repeated after a half failure: what is done already is no step any more. Raises ConfigurationError where
        the broker refuses a step, naming it; steps before it stay done.
        """
        for step in plan.steps:
            async with self._bounded():
                await self._take(step)
            told(step)
        await self._await_metadata(plan.steps)

    async def _take(self, step: Step) -> None:
        match step:
            case Create(topic=topic):
                new = NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=dict(topic.configs))
                answer = await self._admin.create_topics([new])
                for _, code, message in answer.topic_errors:
                    # Somebody else was quicker; what differs then is the next plan's matter.
                    if code != TopicAlreadyExistsError.errno:
                        _refuse(step, code, message)
            case Grow(name=name, wanted=partitions):
                try:
                    await self._admin.create_partitions({name: NewPartitions(total_count=partitions)})
                except BrokerResponseError as error:
                    _refuse(step, error.errno, str(error))
            case Configure(name=name, changes=changes, keep=keep):
                # This request sets the whole of a topic's configuration: what is not named falls back to the default.
                configs = {**keep, **{key: after for key, (_, after) in changes.items()}}
                resource = ConfigResource(ConfigResourceType.TOPIC, name, configs)
                for answer in await self._admin.alter_configs([resource]):
                    for code, message, *_ in answer.resources:
                        _refuse(step, code, message)

    async def _configs(self, names: Iterable[str]) -> Mapping[str, dict[str, str]]:
        resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        configs: dict[str, dict[str, str]] = {resource.name: {} for resource in resources}
        if not resources:
            return configs
        for answer in await self._admin.describe_configs(resources):
            for code, message, _, name, entries in answer.resources:
                if code:
                    raise for_code(code)(message)
                for key, value, _, source, *_ in entries:
                    if source == _SET_ON_THE_TOPIC:
                        configs[name][key] = value
        return configs

    async def _await_metadata(self, steps: Iterable[Step]) -> None:
        wanted = {step.topic.name: step.topic.partitions for step in steps if isinstance(step, Create)}
        wanted |= {step.name: step.wanted for step in steps if isinstance(step, Grow)}
        async with self._bounded():
            while wanted:
                for topic in await self._admin.describe_topics(list(wanted)):
                    led = [partition for partition in topic["partitions"] if partition["leader"] >= 0]
                    if len(led) >= wanted[topic["topic"]]:
                        del wanted[topic["topic"]]
                if wanted:
                    await asyncio.sleep(_POLL_SECONDS)

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline):
                yield
        except TimeoutError as error:
            raise BrokerUnavailable(f"Kafka at {self.address} did not answer within {self._deadline:g} s") from error
        except (KafkaError, OSError) as error:
            raise BrokerUnavailable(f"Kafka at {self.address}: {error}") from error


@asynccontextmanager
async def open_cluster(
    bootstrap_servers: str, *, security: Security | None = None, deadline: float = 30.0
) -> AsyncIterator[Cluster]:
    """Connect for the block; raises BrokerUnavailable, naming the address, when no broker answers."""
    security = security or Security()
    admin = AIOKafkaAdminClient(
        bootstrap_servers=bootstrap_servers,
        client_id="fanzgpt-topics",
        request_timeout_ms=int(deadline * 1000),
        **security.options(),
    )
    try:
        async with asyncio.timeout(deadline):
            await admin.start()
        yield Cluster(admin, address=bootstrap_servers, deadline=deadline)
    except (KafkaConnectionError, TimeoutError) as error:
        raise BrokerUnavailable(f"Kafka at {bootstrap_servers} does not answer: {security.doubt}") from error
    finally:
        await admin.close()


def _refuse(step: Step, code: int, message: str | None) -> None:
    if code == 0:
        return
    error: Any = for_code(code)
    raise ConfigurationError(f"the broker refuses `{step}`: {message or error.description}")
