"""What must be true: in every instant (the Auditor), and of a world at its end."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from uuid import UUID

from tests.simulation.asked import Asked
from tests.simulation.broker import Written
from tests.simulation.history import History
from tests.simulation.host import Host
from tests.simulation.money import unearned
from tests.simulation.provider import Billed

from fanzgpt_schemas import identity
from fanzgpt_schemas.codec import decode_request
from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_schemas.fingerprint import fingerprint
from fanzgpt_workers.core.attempts import AttemptStarted
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.core.endings import Ending, Saved, SaveVerdict
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.lifecycle.outbox import unpack
from fanzgpt_workers.ports import ProviderCall
from fanzgpt_workers.sink_ports import Advance
from fanzgpt_workers.stores.memory_ledger import MemoryLedger
from fanzgpt_workers.stores.memory_tables import MemoryTables

# Names are digests, and asked for all the time.
key_of = lru_cache(identity.request_key)
event_id = lru_cache(identity.event_id)

KINDS: Final = {COMPLETED_TOPIC: "completed", FAILED_TOPIC: "failed"}
TOLD_WITHOUT_AN_ENDING: Final = {"conflict", "invalid"}


def name_of(record: Written) -> str | None:
    """The event's id, where it is one of ours."""
    value = dict(record.headers).get("ce_id")
    return None if value is None else value.decode()


@dataclass(eq=False)
class Auditor:
    """Sees each durable effect in its instant, and writes down what must not be."""

    ledger: MemoryLedger
    tables: MemoryTables
    history: History
    bill: list[Billed] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    saved: dict[UUID, Ending] = field(default_factory=dict)
    requests: dict[UUID, Asked] = field(default_factory=dict)
    hosts: set[Host] = field(default_factory=set)
    begun: dict[UUID, float] = field(default_factory=dict)
    _at: dict[tuple[int, int], Asked] = field(default_factory=dict)
    _conversations: dict[str, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    _rivals: set[UUID] = field(default_factory=set)
    _rows: set[UUID] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)

    def accuse(self, what: str) -> None:
        """A promise is broken."""
        self.wrong.append(what)
        self.history.say("AUDITOR", what)

    def is_told(self, event: UUID) -> bool:
        """Whether the event is on its topic."""
        return str(event) in self._told

    # --- the senders

    def asked(self, asked: Asked, record: Written) -> None:
        """A request is in the log."""
        self._at[record.partition, record.offset] = asked
        first = self.requests.setdefault(asked.key, asked)
        if first != asked:
            self._rivals.add(asked.key)
        elif first is asked and asked.conversation is not None and asked not in self._conversations[asked.conversation]:
            self._conversations[asked.conversation].append(asked)

    # --- the broker

    def appended(self, record: Written) -> None:
        """An ending is published only as it was saved, to the byte."""
        name, kind = name_of(record), KINDS.get(record.topic)
        if name is None:
            return  # somebody else wrote it
        if kind is not None:
            value = json.loads(record.value or b"")
            key = key_of(value["userId"], value["requestId"])
            if name == str(event_id(key, kind)):
                saved = self.saved.get(key)
                if saved is None:
                    self.accuse(f"{kind} of {value['requestId']} is published and not saved")
                elif (record.topic, record.value) not in {(e.topic, e.value) for e in unpack(saved.outbox)}:
                    self.accuse(f"{kind} of {value['requestId']} is published otherwise than it was saved")
            elif value.get("reason") not in TOLD_WITHOUT_AN_ENDING:
                self.accuse(f"{kind} of {value['requestId']} is an event of no request")
        self._told.add(name)

    def committed(self, group: str, passed: Sequence[Written]) -> None:
        """A group passes only what is done: the sink what is stored, the workers what has its ending published."""
        for record in passed:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            if group == "history":
                stored = self.tables.offsets.get((group, Partition(record.topic, record.partition)), 0)
                if record.offset >= stored:
                    self.accuse(f"the sink's group passes {place} and the store stands at {stored}")
                name = name_of(record)
                if not (self._is_kept(record, group) if name is None else UUID(name) in self.tables.history):
                    self.accuse(f"{place} is passed and is neither a row nor a letter")
            elif not self._is_done(record):
                self.accuse(f"{place} is passed and not done")

    def _is_kept(self, record: Written, group: str) -> bool:
        """Whether its dead letter is written."""
        refused = identity.record_event_id(record.topic, record.partition, record.offset)
        return self.is_told(event_id(refused, f"dead:{group}"))

    def _is_done(self, record: Written) -> bool:
        asked = self._at.get((record.partition, record.offset))
        if asked is None:
            return self._is_kept(record, "generation")
        if asked.key in self._rivals:
            mine = fingerprint(decode_request(record.value, record.headers, topic="", partition=0, offset=0).event)
            if mine != self.ledger.requests[asked.key].claim.fingerprint:
                return self.is_told(event_id(asked.key, f"conflict:{mine.hex()}"))
        saved = self.saved.get(asked.key)
        return saved is not None and all(
            dict(event.headers)["ce_id"].decode() in self._told for event in unpack(saved.outbox)
        )

    # --- the database

    def claimed(self, host: Host, claims: Sequence[Claim], verdicts: Sequence[Verdict]) -> None:
        """Whose a request is, changes."""
        for claim, verdict in zip(claims, verdicts, strict=True):
            self.history.say(host.name, "claims", claim.request_id, claim.origin, str(verdict)[:40])
            self.hosts.add(host)

    def started(self, host: Host, attempts: Sequence[AttemptStarted], allowed: Sequence[bool]) -> None:
        """No attempt begins after the request's end, or before the end of what its conversation asked earlier."""
        for attempt, is_allowed in zip(attempts, allowed, strict=True):
            self.history.say(host.name, "begins" if is_allowed else "may not begin", attempt.request_key, attempt.epoch)
            if not is_allowed:
                continue
            self.begun.setdefault(attempt.attempt_id, asyncio.get_running_loop().time())
            if attempt.request_key in self.saved:
                self.accuse(f"{attempt.request_key} has its ending, and another call for it is begun by {host.name}")
            asked = self.requests[attempt.request_key]
            for earlier in self._conversations[asked.conversation or ""]:
                if earlier is asked:
                    break
                if earlier.key not in self.saved:
                    self.accuse(
                        f"{host.name} begins a call for {asked.request_id} before {earlier.request_id} of {asked.conversation} "
                        "has its ending"
                    )

    def finished(self, host: Host, endings: Sequence[Ending], verdicts: Sequence[SaveVerdict]) -> None:
        """An ending stands for ever."""
        for ending, verdict in zip(endings, verdicts, strict=True):
            self.history.say(host.name, "ends", ending.request_key, ending.state, type(verdict).__name__)
            if not isinstance(verdict, Saved):
                continue
            before = self.saved.setdefault(ending.request_key, ending)
            if (before.state, before.outbox) != (ending.state, ending.outbox):
                self.accuse(f"{ending.request_key} ended as {before.state}, and is overwritten as {ending.state}")

    def stored(self, host: Host, advances: Sequence[Advance]) -> None:
        """A row belongs to a completion that was saved, and the statistics count exactly the rows."""
        self.history.say(host.name, "stores up to", *(f"{each.partition}:{each.next_offset}" for each in advances))
        completions = {event_id(key, "completed"): key for key in self.saved}
        for row in [each for each in self.tables.history if each not in self._rows]:
            self._rows.add(row)
            key = completions.get(row)
            if key is None or self.saved[key].state != "completed":
                self.accuse(f"row {row} belongs to no completion")
        counted = Counter(row.user_key for row in self.tables.history.values())
        for user, held in self.tables.users.items():
            total = held.statistics.get("total_generations", 0)
            if total != counted[user]:
                self.accuse(f"user {user} has {counted[user]} rows and {total} in the statistics")

    # --- the provider

    def called(self, call: ProviderCall, host: Host) -> None:
        """A call is in the ledger before its first byte, and is made once."""
        held = self.ledger.attempts.get(call.attempt_id)
        if held is None:
            self.accuse(f"{host.name} calls for {call.request_id} without an attempt in the ledger")
        if any(line.attempt_id == call.attempt_id for line in self.bill):
            self.accuse(f"{host.name} calls twice for one attempt of {call.request_id}")
        self.history.say(host.name, "calls for", call.request_id)


def at_the_end(auditor: Auditor) -> list[str]:
    """What is wrong with a world in which everything has ended, beside what was wrong on the way."""
    return [*auditor.wrong, *_endings(auditor), *_rows(auditor), *unearned(auditor)]


def _endings(auditor: Auditor) -> Iterator[str]:
    """One ending a request, told to its sender."""
    for key, asked in auditor.requests.items():
        saved = auditor.saved.get(key)
        if saved is None:
            yield f"{asked.request_id} has no ending"
            continue
        wanted = "completed" if saved.state == "completed" else "failed"
        told = [kind for kind in KINDS.values() if auditor.is_told(event_id(key, kind))]
        if told != [wanted]:
            yield f"{asked.request_id} ended as {saved.state}, and its sender was told {told}"


def _rows(auditor: Auditor) -> Iterator[str]:
    """One row a completion."""
    completed = {event_id(key, "completed") for key, ending in auditor.saved.items() if ending.state == "completed"}
    stored = set(auditor.tables.history)
    if stored != completed:
        yield f"{len(completed - stored)} completions have no row, {len(stored - completed)} rows no completion"
