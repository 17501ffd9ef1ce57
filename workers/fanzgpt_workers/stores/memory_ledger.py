"""The ledger's twin in memory: the same answers to the same calls in the same order, without any I/O.

For simulations and for tests of what stands on a ledger; a contract suite holds it against PostgreSQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, PastAttempt
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.claims import AlreadyEnded, Claim, Conflicting, Granted, OwnedElsewhere, Verdict
from fanzgpt_workers.core.endings import Ending, EndState, Saved, SaveVerdict, Saving, Superseded
from fanzgpt_workers.ports import Clock
from fanzgpt_workers.stores.memory_budgets import MemoryBudgets


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRequest:
    """A request as the ledger holds it; `ending` is its state and outbox once it has one."""

    claim: Claim
    epoch: int
    created_at: datetime
    updated_at: datetime
    ending: tuple[EndState, str] | None = None
    saving: Saving | None = None
    published: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAttempt:
    """An attempt as the ledger holds it; `ended` is None while the call is under way."""

    started: AttemptStarted
    started_at: datetime
    ended: AttemptEnded | None = None


class MemoryLedger:
    """Implements `ports.Ledger`; every call takes effect at once and completely."""

    def __init__(self, *, clock: Clock, takeover_after: float) -> None:
        """`takeover_after`: seconds without a word from the owner until a claim from elsewhere may take over."""
        self._clock = clock
        self._takeover_after = timedelta(seconds=takeover_after)
        self.requests: dict[UUID, HeldRequest] = {}
        self.attempts: dict[UUID, HeldAttempt] = {}
        self.budgets = MemoryBudgets()

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Verdict]:
        """Take requests into ownership, in order."""
        return [self._claim(claim) for claim in claims]

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool | OverBudget]:
        """Write attempt rows; False where a newer epoch owns the request or it has ended."""
        return [self._start(attempt) for attempt in attempts]

    async def settle(self, ended: Sequence[AttemptEnded]) -> None:
        """Record what became of attempts, under any epoch; an outcome that is known stays."""
        for one in ended:
            self._settle(one)

    async def finish(self, endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        """Save endings under their epochs and settle their last attempts."""
        return [self._finish(ending) for ending in endings]

    async def mark_published(self, request_keys: Sequence[UUID]) -> None:
        """Note that the saved events are on their topics; a request that has not ended is left alone."""
        for key in request_keys:
            held = self.requests.get(key)
            if held is not None and held.ending is not None:
                self.requests[key] = replace(held, published=True)

    def _claim(self, claim: Claim) -> Verdict:
        now = self._clock.now()
        held = self.requests.get(claim.request_key)
        if held is None:
            self.requests[claim.request_key] = HeldRequest(claim=claim, epoch=1, created_at=now, updated_at=now)
            return Granted(1)
        if held.claim.fingerprint != claim.fingerprint:
            return Conflicting()
        if held.ending is not None:
            return AlreadyEnded(held.ending[1])
        idle = now - held.updated_at
        rightful = held.claim.origin == claim.origin and held.claim.term <= claim.term
        if not rightful and idle <= self._takeover_after:
            return OwnedElsewhere(idle_seconds=max(idle.total_seconds(), 0.0))
        # What the request is, stays as it was first claimed; whose it is, changes.
        owned = replace(held.claim, owner=claim.owner, origin=claim.origin, term=claim.term)
        self.requests[claim.request_key] = replace(held, claim=owned, epoch=held.epoch + 1, updated_at=now)
        return Granted(held.epoch + 1, self._past(claim.request_key))

    def _past(self, request_key: UUID) -> tuple[PastAttempt, ...]:
        past = []
        for attempt_id, held in self.attempts.items():
            if held.started.request_key != request_key:
                continue
            ended = held.ended or AttemptEnded(attempt_id=attempt_id, outcome="unknown")
            self.attempts[attempt_id] = replace(held, ended=ended)
            past.append(
                PastAttempt(
                    attempt_id=attempt_id,
                    ordinal=held.started.ordinal,
                    provider=held.started.provider,
                    model=held.started.model,
                    outcome=ended.outcome,
                    started_at=held.started_at,
                )
            )
        return tuple(sorted(past, key=lambda attempt: (attempt.ordinal, attempt.attempt_id)))

    def _start(self, attempt: AttemptStarted) -> bool | OverBudget:
        held = self.requests.get(attempt.request_key)
        if held is None or held.epoch != attempt.epoch or held.ending is not None:
            return False
        self.requests[attempt.request_key] = replace(held, updated_at=self._clock.now())
        if attempt.attempt_id in self.attempts:
            return True
        over = self.budgets.reserve(attempt.reservation)
        if over is not None:
            return over
        self.attempts[attempt.attempt_id] = HeldAttempt(started=attempt, started_at=self._clock.now())
        return True

    def _settle(self, ended: AttemptEnded) -> None:
        held = self.attempts.get(ended.attempt_id)
        if held is not None and (held.ended is None or held.ended.outcome == "unknown"):
            self.attempts[ended.attempt_id] = replace(held, ended=ended)
            self.budgets.settle(held.started.reservation, ended)

    def _finish(self, ending: Ending) -> SaveVerdict:
        if ending.settles is not None:
            self._settle(ending.settles)
        held = self.requests.get(ending.request_key)
        if held is None:
            return Superseded(outbox=None)
        ours = (ending.state, ending.outbox)
        if held.epoch == ending.epoch and held.ending in {None, ours}:
            if held.ending is None:
                self.requests[ending.request_key] = replace(
                    held, ending=ours, saving=ending.saving, updated_at=self._clock.now()
                )
            return Saved()
        return Superseded(outbox=held.ending[1] if held.ending is not None else None)
