"""A seed's world: workers and sinks made of the real parts, requests of a few users, and what goes wrong."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from random import Random
from uuid import UUID

from tests.simulation.broker import Broker, Losing, SimConsumer, SimPublisher
from tests.simulation.clock import BEGIN, VirtualClock, VirtualLoop
from tests.simulation.edges import Billed, FarLedger, FarSinkStore, FlatPricing, SimProvider
from tests.simulation.host import Host

from fanzgpt_schemas.events import COMPLETED_TOPIC, REQUESTED_TOPIC
from fanzgpt_workers.core.lanes import Caps
from fanzgpt_workers.core.retry import RetryPolicy
from fanzgpt_workers.core.routing import Routes
from fanzgpt_workers.engine.book import Room
from fanzgpt_workers.engine.loop import Engine, EngineLimits
from fanzgpt_workers.lifecycle.answering import Answering, AnswerPolicy
from fanzgpt_workers.lifecycle.books import Books
from fanzgpt_workers.lifecycle.calling import Caller, CallPolicy
from fanzgpt_workers.lifecycle.intake import GenerationIntake
from fanzgpt_workers.ports import HistoryRow
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.publishing.dead_letters import DeadLetters
from fanzgpt_workers.publishing.publication import Publication
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.sinks.rows import history_row
from fanzgpt_workers.stores.memory_ledger import MemoryLedger
from fanzgpt_workers.stores.memory_sink_store import memory_history_store
from fanzgpt_workers.stores.memory_tables import MemoryTables

FAULTS_SECONDS = 12.0
ENDING_SECONDS = 900.0
WORKERS = 2
DRAIN_SECONDS = 5.0
TAKEOVER_SECONDS = 30.0


class Watch:
    """Hears everything that the parts tell, for the history."""

    def __init__(self, world: "World", host: Host) -> None:
        self._world = world
        self._host = host

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Whatever is told."""

        def tell(*told: object, **more: object) -> None:
            self._world.say(self._host.name, name, *told, *more.values())

        return tell


@dataclass(eq=False, slots=True)
class Running:
    """A worker or a sink on its host."""

    host: Host
    process: "Engine | Sink[HistoryRow]"
    task: "asyncio.Task[None]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it was published, in its own words."""

    request_id: str
    user: str
    conversation: str | None
    topic: str


@cache
def prompts() -> PromptLibrary:
    """Compiled once for every seed."""
    return PromptLibrary(today=BEGIN.date)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a world is made of; a test puts something broken in the place of one."""

    ledger: type[MemoryLedger] = MemoryLedger
    far_ledger: type[FarLedger] = FarLedger
    engine: type[Engine] = Engine
    answering: type[Answering] = Answering
    intake: type[GenerationIntake] = GenerationIntake


@dataclass(eq=False)
class World:
    """Everything of one seed."""

    seed: int
    loop: VirtualLoop
    parts: Parts = field(default_factory=Parts)
    random: Random = field(init=False)
    clock: VirtualClock = field(init=False)
    broker: Broker = field(init=False)
    ledger: MemoryLedger = field(init=False)
    tables: MemoryTables = field(default_factory=MemoryTables)
    bill: list[Billed] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    history: list[tuple[float, str, str]] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    gone: list[Running] = field(default_factory=list)
    kills: int = 0
    freezes: int = 0

    def __post_init__(self) -> None:
        """Make the servers; nobody runs yet."""
        self.random = Random(self.seed)
        self.clock = VirtualClock(self.loop)
        self.broker = Broker(self.random, gaps=self.random.choice((0.0, 0.2)))
        self.ledger = self.parts.ledger(clock=self.clock, takeover_after=TAKEOVER_SECONDS)
        self.database, self.kafka, self.provider = Losing(self.random), Losing(self.random), Losing(self.random)
        self._started = 0

    def say(self, who: str, what: str, *more: object) -> None:
        """Into the history."""
        self.history.append((self.loop.now, who, f"{what} {' '.join(str(each)[:80] for each in more)}".strip()))

    def start_worker(self) -> Running:
        """A generation worker on a new host."""
        host = self._host("worker")
        watch, ledger = Watch(self, host), self.parts.far_ledger(self.ledger, host, self.database)
        books = Books(ledger, limit=8, away=watch.database_away)
        publication = Publication(SimPublisher(self.broker, host, losing=self.kafka), away=watch.broker_away)
        caller = Caller(
            books=books,
            providers={"openai": SimProvider(self.bill, host, self.random, self.provider)},
            prompts=prompts(),
            pricing=FlatPricing(),
            clock=self.clock,
            new_id=self._new_id,
            jitter=self.random.random,
            policy=CallPolicy(
                attempt_seconds=10,
                total_seconds=300,
                retry=RetryPolicy(billed_attempts=3, unbilled_attempts=50, ceiling=5),
                repairs=1,
                max_tokens=100,
                temperature=0.5,
            ),
        )
        answering = self.parts.answering(
            books=books,
            caller=caller,
            publication=publication,
            clock=self.clock,
            owner=self._new_id(),
            policy=AnswerPolicy(
                switched_on=frozenset({"FEATURE_CONTENT_GENERATION"}),
                routes=Routes(default_provider="openai", models={"openai": "m"}),
                on_unknown="retry",
            ),
            observer=watch,
        )
        intake = self.parts.intake(
            answering=answering,
            publication=publication,
            dead_letters=DeadLetters(publication, consumer="generation", clock=self.clock),
            clock=self.clock,
            observer=watch,
        )
        engine = self.parts.engine(
            consumer=SimConsumer(self.broker, "generation", host),
            topics=(REQUESTED_TOPIC,),
            intake=intake,
            limits=EngineLimits(
                caps=Caps(in_flight=6, per_user=4),
                room=Room(waiting_per_partition=8, uncommitted_per_partition=12),
                fetch_records=4,
                drain_seconds=DRAIN_SECONDS,
            ),
            watcher=watch,
        )
        return self._run(host, engine)

    def start_sink(self) -> Running:
        """A history sink on a new host."""
        host = self._host("sink")
        watch = Watch(self, host)
        publication = Publication(SimPublisher(self.broker, host, losing=self.kafka), away=watch.broker_away)
        store = memory_history_store(self.tables, group="history", unknown_users="create")
        sink = Sink(
            consumer=SimConsumer(self.broker, "history", host),
            topic=COMPLETED_TOPIC,
            to_row=history_row,
            store=FarSinkStore(store, host, self.database),
            dead_letters=DeadLetters(publication, consumer="history", clock=self.clock),
            batch_rows=5,
            watcher=watch,
        )
        return self._run(host, sink)

    def ask(self, number: int) -> None:
        """Publish one request, or something that is none."""
        random = self.random
        user = f"user-{random.randint(0, 3)}"
        if random.random() < 0.05:
            self.broker.append(REQUESTED_TOPIC, user.encode(), b"no request", ())
            return
        if self.asked and random.random() < 0.1:
            asked = random.choice(self.asked)  # the same again, as a sender does that heard nothing
        else:
            conversation = f"{user}/{random.randint(0, 1)}" if random.random() < 0.5 else None
            asked = Asked(request_id=f"r{number}", user=user, conversation=conversation, topic=f"topic {number}")
            self.asked.append(asked)
        value = {
            "requestId": asked.request_id,
            "userId": asked.user,
            "type": "social-post",
            "input": {"topic": asked.topic, "platform": "x"},
            **({"conversationId": asked.conversation} if asked.conversation else {}),
        }
        written = self.broker.append(REQUESTED_TOPIC, asked.user.encode(), json.dumps(value).encode(), ())
        self.say("sender", f"asks {asked.request_id} of {asked.conversation}", written.partition, written.offset)

    async def live(self, *, requests: int, kills: float, freezes: float, losses: float) -> None:
        """Ask, hurt, heal, and wait until everything has ended; raises TimeoutError where something never does.

        The rates are per second of the time of faults.
        """
        random = self.random
        self.database.share, self.kafka.share, self.provider.share = (losses * random.random() for _ in range(3))
        for _ in range(WORKERS):
            self.start_worker()
        self.start_sink()
        until, number = self.loop.now + FAULTS_SECONDS, 0
        while self.loop.now < until:
            await asyncio.sleep(random.random())
            for _ in range(min(random.randint(0, 2), requests - number)):
                self.ask(number)
                number += 1
            self._hurt(kills=kills, freezes=freezes)
        for last in range(number, requests):
            self.ask(last)
        self.database.share = self.kafka.share = self.provider.share = 0.0
        async with asyncio.timeout(ENDING_SECONDS):
            while not self._all_ended():
                await asyncio.sleep(0.5)
        for each in self.running:
            each.process.stop()
        await asyncio.wait([each.task for each in self.running], timeout=100)
        for each in self.running:
            if each.task.done():
                each.task.result()

    def _hurt(self, *, kills: float, freezes: float) -> None:
        """What may go wrong in half a second."""
        random = self.random
        if random.random() < kills:
            self._kill(random.choice(self.running))
        if random.random() < freezes:
            self._freeze(random.choice(self.running), seconds=random.choice((3.0, 12.0)))
        if random.random() < kills:
            self._stop(random.choice(self.running))
        if random.random() < 0.02:
            self.clock.offset += timedelta(seconds=random.choice((-40, 40)))

    def _all_ended(self) -> bool:
        """Whether every record is passed by its group and every completion is a row."""
        for name, topic in (("generation", REQUESTED_TOPIC), ("history", COMPLETED_TOPIC)):
            committed = self.broker.group(name).committed
            for tp, log in self.broker.logs.items():
                if tp.topic == topic and log and committed.get(tp, 0) <= log[-1].offset:
                    return False
        return True

    def _host(self, kind: str) -> Host:
        self._started += 1
        return Host(f"{kind}-{self._started}", self.random, self.loop)

    def _run(self, host: Host, process: "Engine | Sink[HistoryRow]") -> Running:
        running = Running(host, process, asyncio.create_task(process.run()))
        self.running.append(running)
        self.say(host.name, "starts")
        return running

    def _replace(self, old: Running) -> None:
        self.running.remove(old)
        self.gone.append(old)  # the loop itself would let a task go that waits for nothing
        if isinstance(old.process, Engine):
            self.start_worker()
        else:
            self.start_sink()

    def _kill(self, victim: Running) -> None:
        self.kills += 1
        self.say(victim.host.name, "is killed")
        victim.host.kill()
        self._replace(victim)

    def _freeze(self, victim: Running, *, seconds: float) -> None:
        if victim.host.is_frozen:
            return
        self.freezes += 1
        self.say(victim.host.name, f"is frozen for {seconds} s")
        victim.host.freeze()
        asyncio.get_running_loop().call_later(seconds, victim.host.thaw)

    def _stop(self, leaving: Running) -> None:
        self.say(leaving.host.name, "is asked to end")
        leaving.process.stop()
        self._replace(leaving)

    def _new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)
