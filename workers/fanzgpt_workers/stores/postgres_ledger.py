"""The ledger in PostgreSQL: one statement a batch, conditional on epochs, timed by the database's own clock."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, PastAttempt
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.claims import AlreadyEnded, Claim, Conflicting, Granted, OwnedElsewhere, Verdict
from fanzgpt_workers.core.endings import Ending, Saved, SaveVerdict, Superseded
from fanzgpt_workers.stores.database import Database
from fanzgpt_workers.stores.rounds import rounds
from fanzgpt_workers.stores.settlements import settlement_columns
from fanzgpt_workers.stores.statements import statement
from fanzgpt_workers.stores.storable import storable

if TYPE_CHECKING:
    from fanzgpt_workers.stores.database import Session


class PostgresLedger:
    """Implements `ports.Ledger`.

    Every method raises DatabaseUnavailable for what may pass, and may then be called again with the same arguments.
    Statements lock requests in the order of their keys and attempts in the order of their ids, so that any number of
    processes may work on the same requests at once.
    """

    def __init__(
        self, database: Database, *, takeover_after: float, order: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`takeover_after`: seconds without a word from the owner until a claim from elsewhere may take over.

        `order` grows with every call within one owner's process; a claim that was overtaken by a later one of the same
        owner (its connection broke, and it was repeated) is recognised by it and changes nothing.
        """
        self._database: Final = database
        self._takeover_after: Final = takeover_after
        self._order: Final = order
        self._claim: Final = statement("claim")
        self._claim_standing: Final = statement("claim_standing")
        self._take_over_attempts: Final = statement("take_over_attempts")
        self._start_attempts: Final = statement("start_attempts")
        self._settle = statement("settle")
        self._finish = statement("finish_settled") + statement("finish")
        self._finish_standing: Final = statement("finish_standing")
        self._mark_published: Final = statement("mark_published")

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Verdict]:
        """Take requests into ownership, in order; one statement when all of them are new."""
        verdicts: dict[int, Verdict] = {}
        async with self._database.connection() as connection:
            for batch in rounds(claims, lambda claim: claim.request_key):
                epochs = await self._granted(connection, [claim for _, claim in batch])
                past = await self._past(connection, epochs)
                refused = [claim.request_key for _, claim in batch if claim.request_key not in epochs]
                standing = await self._standing(connection, refused)
                for place, claim in batch:
                    key = claim.request_key
                    if key in epochs:
                        verdicts[place] = Granted(epochs[key], past.get(key, ()))
                    else:
                        verdicts[place] = _verdict_against(claim, standing.get(key))
        return [verdicts[place] for place in range(len(claims))]

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool | OverBudget]:
        """Write attempt rows; False where a newer epoch owns the request or it has ended."""
        started: dict[int, bool] = {}
        async with self._database.connection() as connection:
            for batch in rounds(attempts, lambda attempt: attempt.request_key):
                chosen = [attempt for _, attempt in batch]
                rows = await connection.fetch(
                    self._start_attempts,
                    [attempt.attempt_id for attempt in chosen],
                    [attempt.request_key for attempt in chosen],
                    [attempt.epoch for attempt in chosen],
                    [attempt.ordinal for attempt in chosen],
                    [storable(attempt.provider) for attempt in chosen],
                    [storable(attempt.model) for attempt in chosen],
                    [attempt.cause for attempt in chosen],
                )
                owned = {row[0] for row in rows}
                started.update((place, attempt.request_key in owned) for place, attempt in batch)
        return [started[place] for place in range(len(attempts))]

    async def settle(self, ended: Sequence[AttemptEnded]) -> None:
        """Record what became of attempts, under any epoch; an outcome that is known stays."""
        if ended:
            async with self._database.connection() as connection:
                await connection.execute(self._settle, *settlement_columns(ended))

    async def finish(self, endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        """Save endings under their epochs and settle their last attempts; one statement when no owner has changed."""
        verdicts: dict[int, SaveVerdict] = {}
        # All of the money goes with the first round, so that it is settled in the order of the arguments.
        settlements = settlement_columns(ending.settles for ending in endings if ending.settles is not None)
        async with self._database.connection() as connection:
            for batch in rounds(endings, lambda ending: ending.request_key):
                chosen = [ending for _, ending in batch]
                rows = await connection.fetch(
                    self._finish,
                    *settlements,
                    [ending.request_key for ending in chosen],
                    [ending.epoch for ending in chosen],
                    [ending.state for ending in chosen],
                    [ending.outbox for ending in chosen],
                    [ending.saving and storable(ending.saving.cached_from) for ending in chosen],
                    [ending.saving and ending.saving.usd for ending in chosen],
                )
                settlements = settlement_columns(())
                saved = {row[0] for row in rows}
                others = [ending.request_key for ending in chosen if ending.request_key not in saved]
                standing = (
                    {row["request_key"]: row for row in await connection.fetch(self._finish_standing, others)}
                    if others
                    else {}
                )
                for place, ending in batch:
                    key = ending.request_key
                    verdicts[place] = Saved() if key in saved else _save_verdict(ending, standing.get(key))
        return [verdicts[place] for place in range(len(endings))]

    async def mark_published(self, request_keys: Sequence[UUID]) -> None:
        """Note that the saved events are on their topics; a request that has not ended is left alone."""
        if request_keys:
            async with self._database.connection() as connection:
                await connection.execute(self._mark_published, sorted(set(request_keys)))

    async def _granted(self, connection: "Session", claims: Sequence[Claim]) -> dict[UUID, int]:
        rows = await connection.fetch(
            self._claim,
            [claim.request_key for claim in claims],
            [storable(claim.request_id) for claim in claims],
            [storable(claim.user_id) for claim in claims],
            [claim.user_key for claim in claims],
            [storable(claim.generation_type) for claim in claims],
            [claim.fingerprint for claim in claims],
            [claim.owner for claim in claims],
            [claim.origin.topic for claim in claims],
            [claim.origin.partition for claim in claims],
            [claim.origin.offset for claim in claims],
            [storable(claim.conversation_id) for claim in claims],
            [claim.deadline for claim in claims],
            [claim.term for claim in claims],
            self._order(),
            self._takeover_after,
        )
        return {row[0]: row[1] for row in rows}

    async def _past(self, connection: "Session", epochs: dict[UUID, int]) -> dict[UUID, tuple[PastAttempt, ...]]:
        # In a statement of its own: an attempt that its owner committed while our claim waited for it is visible only
        # now. Should this statement fail, the repeated claim takes over again and finds the same attempts.
        taken = {key: epoch for key, epoch in epochs.items() if epoch > 1}
        past: dict[UUID, tuple[PastAttempt, ...]] = {}
        if taken:
            for row in await connection.fetch(self._take_over_attempts, list(taken), list(taken.values())):
                attempt = PastAttempt(
                    attempt_id=row["attempt_id"],
                    ordinal=row["ordinal"],
                    provider=row["provider"],
                    model=row["model"],
                    outcome=row["outcome"],
                    started_at=row["started_at"],
                )
                past[row["request_key"]] = (*past.get(row["request_key"], ()), attempt)
        return past

    async def _standing(self, connection: "Session", keys: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
        if not keys:
            return {}
        return {row["request_key"]: row for row in await connection.fetch(self._claim_standing, keys)}


def _verdict_against(claim: Claim, standing: asyncpg.Record | None) -> Verdict:
    if standing is None:  # pruned between the two statements: to be asked again
        return OwnedElsewhere(idle_seconds=0.0)
    if standing["fingerprint"] != claim.fingerprint:
        return Conflicting()
    if standing["outbox"] is not None:
        return AlreadyEnded(standing["outbox"])
    return OwnedElsewhere(idle_seconds=standing["idle_seconds"])


def _save_verdict(ending: Ending, standing: asyncpg.Record | None) -> SaveVerdict:
    if standing is None:
        return Superseded(outbox=None)
    ours = (ending.epoch, ending.state, ending.outbox)
    if (standing["epoch"], standing["state"], standing["outbox"]) == ours:
        return Saved()  # by an earlier call with the same ending, whose answer was lost
    return Superseded(outbox=standing["outbox"])
