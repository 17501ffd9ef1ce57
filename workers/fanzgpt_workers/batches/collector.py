"""Forms batches of what waits, watches over them, and ends each request with what came of it.

Any number of collectors may run: what one works on is leased to it, and every step can be taken up by another where
it was left. A call is handed over once: its attempt is in the ledger and its batch in the table before anything is
sent, and a batch of which nobody knows whether it was made is looked for before it is made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from fanzgpt_workers.batches.lane import request_of
from fanzgpt_workers.batches.ports import Batch, BatchApi, BatchStore, CallEnded, Held
from fanzgpt_workers.core.half_price import BatchPolicy, gathers_again, is_urgent
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import OutputRefused, Overloaded, ProviderError
from fanzgpt_workers.lifecycle.batched import BatchedCall, BatchedCalls
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Clock, Completion, ProviderCall
from fanzgpt_workers.records import Handled

AT_ONCE: Final = 128
"""Requests that are ended side by side."""
ALONE_AT_ONCE: Final = 64
"""Requests that went back to the normal lane and are called for side by side."""


class Wished(Protocol):
    """Where cancellations are heard."""

    def wished(self) -> Sequence[UUID]:
        """The requests that are to end."""
        ...


class _Ending(Protocol):
    async def __call__(self, request: LiveRequest, epoch: int, *, attempts: int) -> Handled: ...


class CollectorObserver(Protocol):
    """Told what happens; must return at once."""

    def batch_handed_over(self, target: Target, batch_id: str, *, calls: int, found: bool) -> None:
        """A batch is at its provider; `found` where an earlier attempt had brought it there."""
        ...

    def batch_over(self, target: Target, batch_id: str) -> None:
        """Everything that came of a batch is where it belongs."""
        ...

    def batch_trouble(self, error: Exception) -> None:
        """A step failed and will be tried again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between looks, and until somebody else goes on with what was left."""

    poll: float
    lease: float


class Collector:
    """One worker's part in the half-price lane."""

    def __init__(
        self,
        *,
        store: BatchStore,
        apis: Mapping[str, BatchApi],
        calls: BatchedCalls,
        wishes: Wished,
        clock: Clock,
        policy: BatchPolicy,
        pace: Pace,
        observer: CollectorObserver,
    ) -> None:
        """Wire up; nothing begins yet."""
        self._store = store
        self._apis = apis
        self._calls = calls
        self._wishes = wishes
        self._clock = clock
        self._policy = policy
        self._pace = pace
        self._observer = observer
        self._alone: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; a server that is away is waited for."""
        try:
            while True:
                await self._tried(self._round)
                await asyncio.sleep(self._pace.poll)
        finally:
            for task in self._alone:
                task.cancel()
            await asyncio.gather(*self._alone, return_exceptions=True)

    async def _round(self) -> None:
        if not self._policy.providers and not await self._store.holds_any():
            return  # nothing goes in here, and nothing is left of what did
        for step in (self._cancel, self._call_alone, self._form, self._look):
            await self._tried(step)

    async def _tried(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except Exception as error:  # noqa: BLE001  # told; one request that breaks our code must not stop all others
            self._observer.batch_trouble(error)

    async def _cancel(self) -> None:
        """End who is to be cancelled or has run out of time: in a batch it keeps its row until its cost is known."""
        for held in await self._store.wished(self._wishes.wished()):
            await self._ended_early(held, self._calls.cancelled)
        for held in await self._store.overdue(limit=AT_ONCE):
            await self._ended_early(held, self._calls.expired)

    async def _ended_early(self, held: Held, end: "_Ending") -> None:
        if await end(request_of(held), held.epoch, attempts=held.tries) is Handled.DONE:
            if held.attempt_id is None:
                await self._store.drop([held.request_key])
            else:
                await self._store.ended([held.request_key])

    async def _call_alone(self) -> None:
        """Call by themselves for requests that wait too long or for nothing, and for those that another worker left."""
        room = ALONE_AT_ONCE - len(self._alone)
        if room > 0:
            self._begin_alone(
                await self._store.returned(
                    urgent_within=self._policy.lead,
                    gathered_for=sorted(self._policy.providers),
                    limit=room,
                    lease=self._pace.lease,
                )
            )

    def _begin_alone(self, held: Iterable[Held]) -> None:
        for each in held:
            task = asyncio.create_task(self._made_alone(each))
            self._alone.add(task)
            task.add_done_callback(self._alone.discard)

    async def _made_alone(self, held: Held) -> None:
        working = asyncio.create_task(self._calls.alone(request_of(held), term=held.term))
        try:
            while not working.done():
                await asyncio.wait((working,), timeout=self._pace.lease / 3)
                if not working.done():
                    await self._store.give_back([held.request_key], lease=self._pace.lease)
            if working.result() is Handled.DONE:
                await self._store.drop([held.request_key])
        except Exception as error:  # noqa: BLE001  # told, and taken up again when the lease is over
            self._observer.batch_trouble(error)
        finally:
            working.cancel()
            await asyncio.wait((working,))

    async def _form(self) -> None:
        """Make batches as long as enough waits."""
        while True:
            batch = await self._store.form(
                providers=sorted(self._policy.providers),
                age=self._policy.age,
                most_calls=self._policy.most_calls,
                most_bytes=self._policy.most_bytes,
                lease=self._pace.lease,
            )
            if batch is None:
                return
            await self._hand_over(batch)

    async def _look(self) -> None:
        """Look at every batch whose time it is."""
        while True:
            batch = await self._store.take(providers=sorted(self._apis), lease=self._pace.lease)
            if batch is None:
                return
            if batch.batch_id is None:
                await self._hand_over(batch)
            else:
                await self._watch(batch, batch.batch_id)

    async def _hand_over(self, batch: Batch) -> None:
        """Bring a batch to its provider; where somebody may have done so before, look for it first."""
        api, held = self._apis[batch.target.provider], await self._store.calls(batch.key)
        if not held:
            await self._store.over(batch.key)
            return
        if not batch.is_new:
            search = await api.find(
                batch.key,
                [one.attempt_id for one in held if one.attempt_id is not None],
                since=batch.created_at,
                others=await self._store.others(batch),
            )
            if search.found is not None:
                await self._handed_over(batch, search.found, calls=len(held), found=True)
                return
            if not search.sure:
                await self._store.postpone(batch.key, look_in=self._pace.poll)
                return
        calls = await self._begun(batch, held)
        if not calls:
            await self._store.over(batch.key)
            return
        try:
            batch_id = await api.create(batch.key, calls)
        except ProviderError as error:
            await self._not_handed_over(batch, calls, error)
            raise
        await self._handed_over(batch, batch_id, calls=len(calls), found=False)

    async def _handed_over(self, batch: Batch, batch_id: str, *, calls: int, found: bool) -> None:
        await self._store.created(batch.key, batch_id, look_in=0 if found else self._pace.poll)
        self._observer.batch_handed_over(batch.target, batch_id, calls=calls, found=found)

    async def _not_handed_over(self, batch: Batch, calls: Sequence[ProviderCall], error: ProviderError) -> None:
        """A creation that may have worked is looked for when its lease is over; one the provider will not take is off.

        The calls of such a one are made by themselves, where the refusal reaches each request, if it is about it.
        """
        if error.retryable or error.maybe_billed:
            return
        held = {one.attempt_id: one for one in await self._store.calls(batch.key)}
        mine = [held[call.attempt_id] for call in calls if call.attempt_id in held]
        await asyncio.gather(*(self._calls.unanswered(_batched(batch, one), error) for one in mine))
        await self._store.give_back([one.request_key for one in mine], lease=0)
        await self._store.over(batch.key)

    async def _begun(self, batch: Batch, held: Sequence[Held]) -> list[ProviderCall]:
        """The calls whose attempts are in the ledger. The others leave the batch: nobody has called for them."""
        begun = await asyncio.gather(*(self._begin(batch, one) for one in held))
        left = [one.request_key for one, call in zip(held, begun, strict=True) if call is None]
        # Whoever has ended, or has no room in its budget, is told so on the normal lane.
        await self._store.give_back(left, lease=0)
        return [call for call in begun if call is not None]

    async def _begin(self, batch: Batch, held: Held) -> ProviderCall | None:
        batched = _batched(batch, held)
        try:
            call = self._calls.call(batched)
        except OutputRefused:
            return None
        return call if await self._calls.begin(batched, call) is True else None

    async def _watch(self, batch: Batch, batch_id: str) -> None:
        """Look at a batch under way; call it off for the first of its deadlines; take in what came of it."""
        api = self._apis[batch.target.provider]
        urgent = is_urgent(self._policy, batch.first_deadline, now=self._clock.now())
        if not await api.has_ended(batch_id):
            if urgent and not batch.called_off:
                await api.cancel(batch_id)
                await self._store.called_off(batch.key)
            await self._store.postpone(batch.key, look_in=self._pace.poll)
            return
        waiting = {one.attempt_id: one for one in await self._store.calls(batch.key)}
        chunk: list[tuple[Held, CallEnded]] = []
        async for end in api.results(batch_id):
            held = waiting.pop(end.attempt_id, None)
            if held is not None:
                chunk.append((held, end))
            if len(chunk) >= AT_ONCE:
                await self._take_in(batch, chunk)
                chunk = []
        for held in waiting.values():
            if held.attempt_id is not None:
                missing = Overloaded("the provider tells nothing of it with its batch's results")
                chunk.append((held, CallEnded(attempt_id=held.attempt_id, ended=missing)))
        await self._take_in(batch, chunk)
        if await self._store.calls(batch.key):
            await self._store.postpone(batch.key, look_in=self._pace.poll)
            return
        await self._store.over(batch.key)
        self._observer.batch_over(batch.target, batch_id)

    async def _take_in(self, batch: Batch, ends: Sequence[tuple[Held, CallEnded]]) -> None:
        """What became of some of its calls: endings, another batch, or the normal lane."""
        places = await asyncio.gather(*(self._end(batch, held, end) for held, end in ends))
        sorted_out: dict[str, list[UUID]] = {"over": [], "again": [], "alone": [], "later": []}
        for (held, _), place in zip(ends, places, strict=True):
            sorted_out[place].append(held.request_key)
        await self._store.drop(sorted_out["over"])
        await self._store.gather_again(sorted_out["again"])
        await self._store.give_back(sorted_out["alone"], lease=0)
        await self._store.postpone(batch.key, look_in=self._pace.lease)

    async def _end(self, batch: Batch, held: Held, end: CallEnded) -> str:
        batched = _batched(batch, held)
        if isinstance(end.ended, Completion):
            handled = await self._calls.answered(batched, end.ended)
            if handled is None:
                return "alone"
            return "over" if handled is Handled.DONE else "later"
        await self._calls.unanswered(batched, end.ended)
        again = gathers_again(
            self._policy,
            held.deadline,
            was_made=not isinstance(end.ended, Overloaded),
            tries=held.tries,
            now=self._clock.now(),
        )
        return "again" if again else "alone"


def _batched(batch: Batch, held: Held) -> BatchedCall:
    if held.attempt_id is None:
        raise AssertionError("a call of a batch has its attempt")
    return BatchedCall(
        request=request_of(held),
        epoch=held.epoch,
        target=held.target,
        attempt_id=held.attempt_id,
        ordinal=held.tries,
        handed_over=batch.created_at,
    )
