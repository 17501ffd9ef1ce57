"""The ledger as one request sees it: single items in, batched statements behind."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.core.endings import Ending, SaveVerdict
from fanzgpt_workers.errors import Unavailable
from fanzgpt_workers.lifecycle.batching import Batcher
from fanzgpt_workers.ports import Ledger

CLOSING_SECONDS: Final = 2.0


class Books:
    """Each kind of entry has a batcher of its own, so that no kind waits behind another."""

    def __init__(self, ledger: Ledger, *, limit: int = 256, away: Callable[[Unavailable], None]) -> None:
        """Wire the batchers to the ledger."""

        async def settle(ended: Sequence[AttemptEnded]) -> Sequence[None]:
            await ledger.settle(ended)
            return [None] * len(ended)

        async def mark(keys: Sequence[UUID]) -> Sequence[None]:
            await ledger.mark_published(keys)
            return [None] * len(keys)

        self._claims: Batcher[Claim, Verdict] = Batcher(ledger.claim, limit=limit, away=away, while_wanted=True)
        self._starts: Batcher[AttemptStarted, bool | OverBudget] = Batcher(
            ledger.start_attempts, limit=limit, away=away
        )
        self._settlements: Batcher[AttemptEnded, None] = Batcher(settle, limit=limit, away=away)
        self._endings: Batcher[Ending, SaveVerdict] = Batcher(ledger.finish, limit=limit, away=away)
        self._marks: Batcher[UUID, None] = Batcher(mark, limit=4 * limit, away=away)

    def claim(self, claim: Claim) -> asyncio.Future[Verdict]:
        """Ask for ownership of a request."""
        return self._claims.submit(claim)

    def start(self, attempt: AttemptStarted) -> asyncio.Future[bool | OverBudget]:
        """Write an attempt row; anything but True forbids the call."""
        return self._starts.submit(attempt)

    def settle(self, ended: AttemptEnded) -> asyncio.Future[None]:
        """Record what became of an attempt."""
        return self._settlements.submit(ended)

    def finish(self, ending: Ending) -> asyncio.Future[SaveVerdict]:
        """Save the ending."""
        return self._endings.submit(ending)

    def mark_published(self, key: UUID) -> None:
        """Note publication; nobody waits for it, since a redelivery only publishes the same events again."""
        self._marks.submit(key).add_done_callback(asyncio.Future.exception)

    async def close(self, *, within: float = CLOSING_SECONDS) -> None:
        """Wait for what is still to be written, for so many seconds.

        What a ledger that is away does not take any more, the next owner of the request learns without it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                for batcher in (self._claims, self._starts, self._settlements, self._endings, self._marks):
                    await batcher.settle()
