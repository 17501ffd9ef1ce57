"""Batches of calls at half the price: taken up now, worked off after a while, and billed when they are.

A job is worked off when somebody first looks at it after its time. One that is called off before has done as many of
its items as it had time for, and these are billed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from fanzgpt_stack.emulator.actions import Status, outcome_of
from fanzgpt_stack.emulator.answers import Author
from fanzgpt_stack.emulator.bill import Bill, BillLine
from fanzgpt_stack.emulator.calls import Answer, Call, CallRefused
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.own_ids import ATTEMPT_ID_HEADER
from fanzgpt_stack.emulator.prices import price_of
from fanzgpt_stack.emulator.scripts import Script
from fanzgpt_stack.emulator.vendor import Marks, Refusal, Refused, VendorShape

Fate = Literal["succeeded", "errored", "expired", "cancelled"]


class BatchFaults(BaseModel):
    """What goes wrong with batches, and how long they take; `seconds` holds for those made from now on.

    `lose_creations` batches are made without a word to their caller; of the items that are worked off next, so many
    expire.
    """

    model_config = ConfigDict(extra="forbid")

    seconds: Annotated[float, Field(ge=0)] = 0.0
    lose_creations: Annotated[int, Field(ge=0)] = 0
    expire_items: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One call of a batch, under its caller's own id."""

    custom_id: str
    path: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemEnd:
    """What became of an item: the answer's JSON, or the refusal in the vendor's words."""

    custom_id: str
    fate: Fate
    body: Mapping[str, object] | None = None
    refusal: Refusal | None = None


@dataclass(slots=True, kw_only=True)
class Job:
    """One batch; times are seconds since the epoch. `ends` is empty until it has ended."""

    number: int
    account: str
    created: float
    due: float
    items: Sequence[Item]
    metadata: Mapping[str, str]
    input_file: str | None = None
    called_off: float | None = None
    ended: float | None = None
    ends: list[ItemEnd] = field(default_factory=list)

    def count(self, fate: Fate) -> int:
        """How many of its items ended so."""
        return sum(end.fate == fate for end in self.ends)


class Jobs:
    """One vendor's batches."""

    def __init__(
        self,
        *,
        shape: VendorShape,
        author: Author,
        bill: Bill,
        script: Script,
        faults: BatchFaults,
        now: Callable[[], float],
    ) -> None:
        self._shape = shape
        self._author = author
        self._bill = bill
        self._script = script
        self._faults = faults
        self._now = now
        self._jobs: dict[int, Job] = {}

    def create(
        self, items: Sequence[Item], *, account: str, metadata: Mapping[str, str], input_file: str | None = None
    ) -> tuple[Job, bool]:
        """A new job, and whether its caller hears of it."""
        now = self._now()
        job = Job(
            number=len(self._jobs) + 1,
            account=account,
            created=now,
            due=now + self._faults.seconds,
            items=items,
            metadata=metadata,
            input_file=input_file,
        )
        self._jobs[job.number] = job
        is_lost = self._faults.lose_creations > 0
        self._faults.lose_creations -= is_lost
        return job, not is_lost

    def job(self, number: int, account: str) -> Job | None:
        """The job as it stands now."""
        job = self._jobs.get(number)
        if job is None or job.account != account:
            return None
        self._work_off(job)
        return job

    def newest_first(self, account: str) -> list[Job]:
        """Every job of an account."""
        mine = [job for job in self._jobs.values() if job.account == account]
        for job in mine:
            self._work_off(job)
        return mine[::-1]

    def call_off(self, job: Job) -> None:
        """Do no more of it; an ended one stays as it is."""
        if job.ended is None:
            job.called_off = self._now()
            self._work_off(job)

    def _work_off(self, job: Job) -> None:
        now = self._now()
        if job.ended is not None or (now < job.due and job.called_off is None):
            return
        share = 1.0 if job.called_off is None else min(1.0, (now - job.created) / max(job.due - job.created, 1e-9))
        done = round(share * len(job.items))
        for place, item in enumerate(job.items):
            if place >= done:
                job.ends.append(ItemEnd(custom_id=item.custom_id, fate="cancelled"))
            elif self._faults.expire_items > 0:
                self._faults.expire_items -= 1
                job.ends.append(ItemEnd(custom_id=item.custom_id, fate="expired"))
            else:
                job.ends.append(self._worked_off(job, item, now))
        job.ended = now

    def _worked_off(self, job: Job, item: Item, now: float) -> ItemEnd:
        number = self._bill.next_seq
        headers = {ATTEMPT_ID_HEADER: item.custom_id.encode(), b"authorization": job.account.encode()}
        try:
            call = self._shape.read(HttpRequest("POST", item.path, "", headers, orjson.dumps(item.body), True))
            answer = self._author.answer(call)
        except CallRefused as error:
            return self._refused(item, Refused(status=400, message=str(error), number=number))
        action = self._script.action(call)
        if isinstance(action, Status):
            self._take_down(call, None, outcome_of(action), now)
            return self._refused(
                item,
                Refused(
                    status=action.status, kind=action.kind, message=action.message, model=call.model, number=number
                ),
            )
        self._take_down(call, answer, "batch", now)
        body = self._shape.body(call, answer, Marks(number=number, created=int(now)))
        return ItemEnd(custom_id=item.custom_id, fate="succeeded", body=body)

    def _refused(self, item: Item, refused: Refused) -> ItemEnd:
        return ItemEnd(custom_id=item.custom_id, fate="errored", refusal=self._shape.error(refused))

    def _take_down(self, call: Call, paid: Answer | None, outcome: str, now: float) -> None:
        cost = 0
        if paid is not None:
            cost = price_of(call.vendor, call.model).of(paid.input_tokens, paid.output_tokens) // 2
        number = self._bill.next_seq
        self._bill.add(
            BillLine(
                seq=number,
                arrived_at=datetime.fromtimestamp(now, UTC),
                vendor=call.vendor,
                path=call.path,
                model=call.model,
                stream=False,
                request_id=None,
                attempt_id=call.attempt_id,
                outcome=outcome,
                status=None,
                billed=paid is not None,
                input_tokens=0 if paid is None else paid.input_tokens,
                output_tokens=0 if paid is None else paid.output_tokens,
                cost_nanodollars=cost,
                retry_after=None,
                delay=0.0,
                response_id=None if paid is None else self._shape.response_id(number),
            )
        )
