"""What must be true of a world at its end."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID

from tests.simulation.world import World

from fanzgpt_schemas.events import COMPLETED_TOPIC, FAILED_TOPIC
from fanzgpt_schemas.identity import event_id, request_key

MOST_BILLED_ATTEMPTS = 3


def broken(world: World) -> list[str]:
    """Every promise that the world does not keep, in words."""
    return [*_endings(world), *_rows(world), *_money(world), *_order(world)]


def _endings(world: World) -> Iterator[str]:
    """One ending a request, and each event the same however often it is on its topic."""
    bytes_of: dict[bytes, set[bytes | None]] = defaultdict(set)
    kinds: dict[str, set[str]] = defaultdict(set)
    for topic in (COMPLETED_TOPIC, FAILED_TOPIC):
        for record in world.broker.records(topic):
            headers = dict(record.headers)
            bytes_of[headers["ce_id"]].add(record.value)
            kinds[headers["ce_id"].decode()].add(topic)
    for identity, values in bytes_of.items():
        if len(values) > 1:
            yield f"event {identity.decode()} is on its topic in {len(values)} versions"
    for asked in world.asked:
        key = request_key(asked.user, asked.request_id)
        held = world.ledger.requests.get(key)
        if held is None or held.ending is None:
            yield f"{asked.request_id} has no ending in the ledger"
            continue
        told = [kind for kind in ("completed", "failed") if str(event_id(key, kind)) in kinds]
        wanted = ["completed" if held.ending[0] == "completed" else "failed"]
        if told != wanted:
            yield f"{asked.request_id} ended as {held.ending[0]}, and its sender was told {told}"


def _rows(world: World) -> Iterator[str]:
    """One row a completion, and statistics that count them."""
    completed = {
        event_id(key, "completed")
        for key, held in world.ledger.requests.items()
        if held.ending and held.ending[0] == "completed"
    }
    stored = set(world.tables.history)
    if stored != completed:
        yield f"{len(completed - stored)} completions have no row, {len(stored - completed)} rows no completion"
    counted = Counter(row.user_key for row in world.tables.history.values())
    for user, number in counted.items():
        total = world.tables.users[user].statistics.get("total_generations")
        if total != number:
            yield f"user {user} has {number} rows and {total} in the statistics"


def _money(world: World) -> Iterator[str]:
    """Nothing is called without its attempt, and no more is called than is allowed."""
    attempts = world.ledger.attempts
    for line in world.bill:
        if line.attempt_id not in attempts:
            yield f"a call for {line.request_id} was made without an attempt in the ledger"
    billed = {line.attempt_id for line in world.bill}
    if len(billed) != len(world.bill):
        yield "an attempt was called twice"
    for attempt_id, held in attempts.items():
        if held.ended is not None and held.ended.outcome == "ok" and attempt_id not in billed:
            yield f"attempt {attempt_id} was answered and is not on the bill"
    answered = Counter(
        held.started.request_key for held in attempts.values() if held.ended and held.ended.outcome == "ok"
    )
    for key, number in answered.items():
        if number > 1 and not _was_lost(world, key):
            yield f"request {key} was answered {number} times by one worker"


def _was_lost(world: World, key: UUID) -> bool:
    """Whether more than one owner has made calls for the request."""
    return len({held.started.epoch for held in world.ledger.attempts.values() if held.started.request_key == key}) > 1


def _order(world: World) -> Iterator[str]:
    """Within a conversation, what was asked first is first called for; a repeat after a loss is no new call."""
    if world.freezes:
        return  # a worker that does not know yet that it is out may finish what it had begun
    first_call: dict[str, float] = {}
    for line in world.bill:
        first_call.setdefault(line.request_id, line.at)
    conversations: dict[str, list[str]] = defaultdict(list)
    for asked in world.asked:
        if asked.conversation:
            conversations[asked.conversation].append(asked.request_id)
    for conversation, ids in conversations.items():
        called = [first_call[each] for each in ids if each in first_call]
        if called != sorted(called):
            yield f"{conversation} was called for out of order: {ids}"
