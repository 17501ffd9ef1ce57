"""The real parts, wired as the processes wire them, with twins where a server would be."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.simulation.clock import BEGIN
from tests.simulation.database import FarLedger, FarSinkStore
from tests.simulation.host import Host
from tests.simulation.membership import SimConsumer, SimPublisher
from tests.simulation.provider import FlatPricing, SimProvider

from fanzgpt_schemas.events import COMPLETED_TOPIC, REQUESTED_TOPIC
from fanzgpt_workers.core.lanes import Caps
from fanzgpt_workers.core.retry import RetryPolicy
from fanzgpt_workers.core.routing import Routes
from fanzgpt_workers.engine.book import Room
from fanzgpt_workers.engine.loop import Engine, EngineLimits
from fanzgpt_workers.lifecycle.answering import Answering, AnswerPolicy
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import Caller, CallPolicy
from fanzgpt_workers.lifecycle.cancelling import Wishes
from fanzgpt_workers.lifecycle.intake import GenerationIntake
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.sink_ports import HistoryRow
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.sinks.rows import history_row
from fanzgpt_workers.stores.memory_ledger import MemoryLedger
from fanzgpt_workers.stores.memory_sink_store import MemorySinkStore, memory_history_store

if TYPE_CHECKING:
    from tests.simulation.world import World

DRAIN_SECONDS = 5.0
ATTEMPT_SECONDS = 10.0
BILLED_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a world is made of; a test puts something broken in the place of one."""

    ledger: type[MemoryLedger] = MemoryLedger
    far_ledger: type[FarLedger] = FarLedger
    engine: type[Engine] = Engine
    answering: type[Answering] = Answering
    intake: type[GenerationIntake] = GenerationIntake
    consumer: type[SimConsumer] = SimConsumer
    sink: type[Sink[HistoryRow]] = Sink
    sink_store: "type[MemorySinkStore[HistoryRow]] | None" = None
    far_sink_store: type[FarSinkStore] = FarSinkStore


class Watch:
    """Hears everything that the parts tell, for the history; a drain that ran out of time puts the host in doubt."""

    def __init__(self, world: "World", host: Host) -> None:
        self._world = world
        self._host = host

    def drained(self, *, left_running: int) -> None:
        """A drain ended."""
        if left_running:
            self._host.falter()
        self._world.history.say(self._host.name, "drained", f"{left_running} still running")

    def __getattr__(self, name: str) -> Any:
        """Whatever else is told."""

        def tell(*told: object, **more: object) -> None:
            self._world.history.say(self._host.name, name, *told, *more.values())

        return tell


@cache
def prompts() -> PromptLibrary:
    """Compiled once for every seed."""
    return PromptLibrary(today=BEGIN.date)


def make_worker(world: "World", host: Host, wishes: Wishes) -> Engine:
    """A generation worker."""
    parts, watch = world.parts, Watch(world, host)
    ledger = parts.far_ledger(world.ledger, host, world.database, world.auditor)
    books = Books(ledger, limit=8, away=watch.database_away)
    publication = Publication(SimPublisher(world.broker, host, losing=world.kafka), away=watch.broker_away)
    provider = SimProvider(world.auditor.bill, host, world.random, world.provider, world.auditor, slow=world.slow)
    caller = Caller(
        books=books,
        providers={"openai": provider},
        prompts=prompts(),
        pricing=FlatPricing(),
        clock=world.clock,
        new_id=world.new_id,
        jitter=world.random.random,
        policy=CallPolicy(
            attempt_seconds=ATTEMPT_SECONDS,
            total_seconds=300,
            retry=RetryPolicy(billed_attempts=BILLED_ATTEMPTS, unbilled_attempts=50, ceiling=5),
            repairs=1,
            max_tokens=100,
            temperature=0.5,
        ),
    )
    answering = parts.answering(
        books=books,
        caller=caller,
        publication=publication,
        clock=world.clock,
        owner=world.new_id(),
        policy=AnswerPolicy(
            switched_on=frozenset({"FEATURE_CONTENT_GENERATION"}),
            routes=Routes(default_provider="openai", models={"openai": "m"}),
            on_unknown="retry",
        ),
        observer=watch,
        wishes=wishes,
    )
    consumer = parts.consumer(world.broker, "generation", host, world.kafka)
    return parts.engine(
        consumer=consumer,
        topics=(REQUESTED_TOPIC,),
        intake=parts.intake(
            answering=answering,
            publication=publication,
            dead_letters=DeadLetters(publication, consumer="generation", clock=world.clock),
            clock=world.clock,
            observer=watch,
        ),
        limits=EngineLimits(
            caps=Caps(in_flight=6, per_user=4),
            room=Room(waiting_per_partition=8, uncommitted_per_partition=12),
            fetch_records=4,
            drain_seconds=DRAIN_SECONDS,
        ),
        watcher=watch,
        term=lambda: consumer.generation,
        let_go=answering.let_go,
    )


def make_sink(world: "World", host: Host) -> Sink[HistoryRow]:
    """A history sink."""
    watch = Watch(world, host)
    publication = Publication(SimPublisher(world.broker, host, losing=world.kafka), away=watch.broker_away)
    store = memory_history_store(world.tables, group="history", unknown_users="create")
    if world.parts.sink_store is not None:
        store.__class__ = world.parts.sink_store
    return world.parts.sink(
        consumer=SimConsumer(world.broker, "history", host, world.kafka),
        topic=COMPLETED_TOPIC,
        to_row=history_row,
        store=world.parts.far_sink_store(store, host, world.database, world.auditor),
        dead_letters=DeadLetters(publication, consumer="history", clock=world.clock),
        batch_rows=5,
        watcher=watch,
    )
