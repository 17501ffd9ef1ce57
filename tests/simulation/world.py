"""A seed's world: servers, workers and sinks on their hosts, requests of a few users, and what goes wrong."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from tests.simulation.asked import Asked
from tests.simulation.broker import Broker
from tests.simulation.clock import VirtualClock, VirtualLoop
from tests.simulation.history import History
from tests.simulation.host import Host
from tests.simulation.invariants import Auditor
from tests.simulation.losing import Losing
from tests.simulation.membership import SimConsumer
from tests.simulation.worker import DRAIN_SECONDS, Parts, make_sink, make_worker

from fanzgpt_schemas.events import COMPLETED_TOPIC, REQUESTED_TOPIC
from fanzgpt_workers.engine.loop import Engine
from fanzgpt_workers.lifecycle.cancelling import Wishes
from fanzgpt_workers.sink_ports import HistoryRow
from fanzgpt_workers.sinks.loop import Sink
from fanzgpt_workers.stores.memory_ledger import MemoryLedger
from fanzgpt_workers.stores.memory_tables import MemoryTables

WORKERS: Final = 2
FAULTS_SECONDS: Final = 10.0
TAKEOVER_SECONDS: Final = 8.0
ENDING_SECONDS: Final = 600.0
STOPPING_SECONDS: Final = DRAIN_SECONDS + 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What may go wrong, per second of the time of faults; `losses` is the share of messages that are lost."""

    kills: float = 0.0
    stops: float = 0.0
    freezes: float = 0.0
    expulsions: float = 0.0
    jumps: float = 0.0
    losses: float = 0.0
    gaps: float = 0.0
    slow: float = 1.0


@dataclass(eq=False, slots=True)
class Running:
    """A worker or a sink on its host."""

    host: Host
    process: "Engine | Sink[HistoryRow]"
    wishes: Wishes
    task: "asyncio.Task[None]"


@dataclass(eq=False)
class World:
    """Everything of one seed."""

    seed: int
    loop: VirtualLoop
    parts: Parts = field(default_factory=Parts)
    weather: Weather = field(default_factory=Weather)
    tables: MemoryTables = field(default_factory=MemoryTables)
    history: History = field(default_factory=History)
    fired: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the servers; nobody runs yet."""
        self.loop.set_exception_handler(self._unheard)
        self.random = Random(self.seed)
        self.slow = self.weather.slow
        self.clock = VirtualClock(self.loop)
        self.ledger: MemoryLedger = self.parts.ledger(clock=self.clock, takeover_after=TAKEOVER_SECONDS)
        self.auditor = Auditor(self.ledger, self.tables, self.history)
        self.broker = Broker(self.random, auditor=self.auditor, gaps=self.weather.gaps)
        self.database, self.kafka, self.provider = Losing(self.random), Losing(self.random), Losing(self.random)
        self._running: list[Running] = []
        self._gone: list[Running] = []
        self._wished: list[Asked] = []
        self._asked: list[Asked] = []
        self._expelled: list[asyncio.Task[None]] = []
        self._started = 0

    async def live(self, requests: int) -> None:
        """Ask, hurt, heal, and wait until everything has ended; raises TimeoutError where something never does."""
        losing = (self.database, self.kafka, self.provider)
        for each in losing:
            each.share = self.weather.losses * self.random.random()
        for _ in range(WORKERS):
            self._start("worker")
        self._start("sink")
        until, number = self.loop.now + FAULTS_SECONDS, 0
        while self.loop.now < until:
            await asyncio.sleep(self.random.random())
            for _ in range(min(self.random.randint(0, requests // 8), requests - number)):
                self._ask(number)
                number += 1
            self._hurt()
        for last in range(number, requests):
            self._ask(last)
        for name, each in zip(("database", "kafka", "provider"), losing, strict=True):
            each.share = 0.0
            self._count(f"losses of the {name}", each.lost)
        self.history.say("weather", "clears")
        async with asyncio.timeout(ENDING_SECONDS):
            while not self._all_is_passed():
                await asyncio.sleep(0.5)
        self.history.say("world", "is at rest")
        for each in self._running:
            each.process.stop()
        await self._all_have_stopped()

    def new_id(self) -> UUID:
        """A random id."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def _unheard(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An error that nobody took notice of."""
        self.auditor.wrong.append(f"{context['message']}: {context.get('exception')!r}")

    def _ask(self, number: int) -> None:
        """Publish one request, or something that is none."""
        random = self.random
        user = f"user-{random.randint(0, 3)}"
        if random.random() < 0.05:
            self.broker.append(REQUESTED_TOPIC, user.encode(), b"no request", ())
            return
        if random.random() < 0.03:
            self.broker.append(COMPLETED_TOPIC, user.encode(), b"no completion", ())
        if self._asked and random.random() < 0.1:
            asked = random.choice(self._asked)  # the same again, as a sender does that heard nothing
            if random.random() < 0.2:  # or other content under the same id
                asked = Asked(
                    request_id=asked.request_id, user=asked.user, conversation=asked.conversation, topic=f"not {number}"
                )
        else:
            asked = Asked(
                request_id=f"r{number}",
                user=user,
                conversation=f"{user}/{random.randint(0, 1)}" if random.random() < 0.5 else None,
                topic=f"topic {number}",
                deadline=self.clock.now() + timedelta(seconds=random.randint(1, 20)) if random.random() < 0.1 else None,
                on_unknown=random.choice((None, None, "fail", "retry")),
                preferences=random.random() < 0.2,
            )
            self._asked.append(asked)
        record = self.broker.append(REQUESTED_TOPIC, asked.user.encode(), asked.value(), ())
        self.auditor.asked(asked, record)
        self.history.say("sender", f"asks {asked.request_id} of {asked.conversation}", record.partition, record.offset)
        if random.random() < 0.05:
            self.loop.call_later(random.random() * 3, self._wish, asked)

    def _wish(self, asked: Asked) -> None:
        """Its sender wants it no more; every worker hears of it."""
        self._wished.append(asked)
        self.history.say("sender", f"wishes {asked.request_id} away")
        for running in self._running:
            running.wishes.add(asked.key, self.clock.now())

    def _hurt(self) -> None:
        """What may go wrong in half a second."""
        random, weather = self.random, self.weather
        if random.random() < weather.kills / 2:
            self._kill(random.choice(self._running))
        if random.random() < weather.stops / 2:
            self._stop(random.choice(self._running))
        if random.random() < weather.freezes / 2:
            self._freeze(random.choice(self._running), seconds=random.choice((3.0, 9.0)))
        if random.random() < weather.expulsions / 2:
            self._expel()
        if random.random() < weather.jumps / 2:
            self._count("jumps")
            self.clock.offset += timedelta(seconds=random.choice((-40, 40)))

    def _kill(self, victim: Running) -> None:
        self._count("kills")
        self.history.say(victim.host.name, "is killed")
        victim.host.kill()
        victim.task.cancel()  # nobody hears of it any more; it spares its loop
        self._replace(victim)

    def _stop(self, leaving: Running) -> None:
        self._count("stops")
        self.history.say(leaving.host.name, "is asked to end")
        leaving.process.stop()
        self._replace(leaving)

    def _freeze(self, victim: Running, *, seconds: float) -> None:
        if victim.host.is_frozen:
            return
        self._count("freezes")
        self.history.say(victim.host.name, f"is frozen for {seconds} s")
        victim.host.freeze()
        self.loop.call_later(seconds, victim.host.thaw)

    def _expel(self) -> None:
        members = self.broker.group(self.random.choice(("generation", "generation", "history"))).members
        if members and isinstance(victim := self.random.choice(members), SimConsumer):
            self._count("expulsions")
            self.history.say(victim.host.name, "is expelled")
            self._expelled.append(asyncio.create_task(victim.expel()))

    def _count(self, what: str, number: int = 1) -> None:
        self.fired[what] = self.fired.get(what, 0) + number

    def _start(self, kind: str) -> None:
        self._started += 1
        host = Host(f"{kind}-{self._started}", self.random, self.loop)
        wishes = Wishes(self.clock)
        for asked in self._wished:
            wishes.add(asked.key, self.clock.now())
        process = make_worker(self, host, wishes) if kind == "worker" else make_sink(self, host)
        self._running.append(Running(host, process, wishes, asyncio.create_task(process.run())))
        self.history.say(host.name, "starts")

    def _replace(self, old: Running) -> None:
        self._running.remove(old)
        self._gone.append(old)  # the loop itself would let a task go that waits for nothing
        self._start("worker" if isinstance(old.process, Engine) else "sink")

    def _all_is_passed(self) -> bool:
        """Whether every record is passed by its group and every completion is a row."""
        for name, topic in (("generation", REQUESTED_TOPIC), ("history", COMPLETED_TOPIC)):
            committed = self.broker.group(name).committed
            for tp, log in self.broker.logs.items():
                if tp.topic == topic and log and committed.get(tp, 0) <= log[-1].offset:
                    return False
        return True

    async def _all_have_stopped(self) -> None:
        """Whoever was asked to end ends, in its time and without an error; the dead do not."""
        alive = [each for each in (*self._running, *self._gone) if not each.host.is_dead]
        _, pending = await asyncio.wait([each.task for each in alive], timeout=STOPPING_SECONDS)
        for each in alive:
            if each.task in pending:
                self.auditor.accuse(f"{each.host.name} does not end")
            elif not each.task.cancelled() and (error := each.task.exception()) is not None:
                self.auditor.accuse(f"{each.host.name} ended with {error!r}")
