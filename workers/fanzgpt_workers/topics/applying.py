"""From the registry to a plan, and to a broker that follows it."""

from collections.abc import Callable

from fanzgpt_schemas.topics import TopicRegistry
from fanzgpt_workers.topics.cluster import Cluster
from fanzgpt_workers.topics.planning import Plan, Step, WantedTopic, plan


def wanted_topics(registry: TopicRegistry) -> list[WantedTopic]:
    """The registry's topics, in its order."""
    return [
        WantedTopic(
            name=spec.name,
            partitions=spec.partitions,
            replication=spec.replication,
            keyed=spec.key == "userId",
            configs=spec.config(),
        )
        for spec in registry
    ]


async def plan_topics(cluster: Cluster, registry: TopicRegistry, *, accept_rekey: bool = False) -> Plan:
    """What differs between the registry and the cluster."""
    live, brokers = await cluster.topics(), await cluster.brokers()
    return plan(wanted_topics(registry), live, brokers=brokers, accept_rekey=accept_rekey)


async def apply_topics(
    cluster: Cluster,
    registry: TopicRegistry,
    *,
    accept_rekey: bool = False,
    told: Callable[[Step], None] = lambda _: None,
) -> Plan:
    """Plan and carry out; returns what was planned, once the brokers show it."""
    found = await plan_topics(cluster, registry, accept_rekey=accept_rekey)
    await cluster.carry_out(found, told=told)
    return found
