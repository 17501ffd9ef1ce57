"""What the provider may charge for: whatever is paid beyond one answer a request has its reason, and a bound."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final, Protocol
from uuid import UUID

from tests.simulation.host import Host
from tests.simulation.provider import Billed

from fanzgpt_workers.stores.memory_ledger import HeldAttempt, MemoryLedger

IN_FLIGHT: Final = 6
NOBODY_KNOWS: Final = {"unknown", "cancelled"}


class Books(Protocol):
    """What was seen of the money."""

    ledger: MemoryLedger
    bill: list[Billed]
    hosts: set[Host]
    begun: dict[UUID, float]


def unearned(books: Books) -> Iterator[str]:
    """Answers that were never paid, calls that were paid twice for no reason, and more of those than can be."""
    attempts = books.ledger.attempts
    billed = {line.attempt_id for line in books.bill}
    for attempt_id, held in attempts.items():
        if held.ended is not None and held.ended.outcome == "ok" and attempt_id not in billed:
            yield f"attempt {attempt_id} was answered and is not on the bill"
    lines: dict[UUID, list[Billed]] = defaultdict(list)
    for line in books.bill:
        if line.attempt_id in attempts:
            lines[attempts[line.attempt_id].started.request_key].append(line)
    again = 0
    for key, paid in lines.items():
        for earlier, later in pairwise(paid):
            outcome = _outcome(attempts[earlier.attempt_id])
            if outcome not in {"ok", *NOBODY_KNOWS} or _was_repaired(attempts, earlier.attempt_id):
                continue  # it failed, or was of no use, and everybody knows
            again += 1
            if not _was_in_doubt(books, key, earlier, later):
                yield (
                    f"{earlier.request_id} was paid at {earlier.at:.3f} on {earlier.host.name} ({outcome}) and again at "
                    f"{later.at:.3f} on {later.host.name}, with nothing wrong with {earlier.host.name}"
                )
    doubts = sum(len(host.hurt) for host in books.hosts)
    if again > IN_FLIGHT * doubts:
        yield f"{again} calls were paid again, and at most {IN_FLIGHT} can have been under way at each of {doubts} faults"


def _outcome(held: HeldAttempt) -> str:
    return "unknown" if held.ended is None else held.ended.outcome


def _was_in_doubt(books: Books, key: UUID, earlier: Billed, later: Billed) -> bool:
    """Whether one of the two could not know of the other."""
    begun = books.begun.get(earlier.attempt_id, earlier.at)
    return (
        earlier.host.was_hurt(begun, later.at)
        # its row was written in time, and then it stood still
        or later.host.was_hurt(books.begun.get(later.attempt_id, later.at), later.at)
    )


def _was_repaired(attempts: Mapping[UUID, HeldAttempt], attempt_id: UUID) -> bool:
    """Whether its answer was of no use, and the next call said so."""
    refused = attempts[attempt_id].started
    return any(
        held.started.cause == "repair"
        and held.started.request_key == refused.request_key
        and held.started.ordinal == refused.ordinal + 1
        for held in attempts.values()
    )
