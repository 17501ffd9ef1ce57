"""What a call may cost at most, and how long a request waits for a budget that has no room for it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, Protocol

from fanzgpt_schemas.identity import user_key
from fanzgpt_workers.core.attempts import CHARACTERS_PER_TOKEN, Usage
from fanzgpt_workers.core.budgets import Allowance, Budgets, OverBudget, Reservation, begins, kind_of, turns
from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import IMAGE_CHARACTERS, Pricing, Prompt

WhenSpent = Literal["reject", "wait"]
STANDARD: Final = "standard"
BYTES_PER_TOKEN: Final = 3
"""Of a prompt, at least: four in English, three in most other scripts."""
FIRST_LOOK_SECONDS: Final = 0.05
LONGEST_LOOK_SECONDS: Final = 1.0


class PurseObserver(Protocol):
    """Told of budgets; must return at once."""

    def over_budget(self, kind: str, *, is_spent: bool) -> None:
        """A call was not let through by a budget of this kind: `total`, `tier`, `user`."""
        ...


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask again after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """The request ends here, unpaid; the text is for its sender."""

    detail: str


@dataclass(slots=True)
class Patience:
    """One request's waiting for budgets."""

    looks: int = 0
    since: datetime | None = None


class Purse:
    """Reserves for calls; holds no state of any request.

    What is reserved is the most that the call can cost at its own model's price: the prompt as if it were dense, and
    all the output that it may have. A model without a known price reserves nothing.
    """

    def __init__(
        self,
        budgets: Budgets,
        *,
        pricing: Pricing,
        when_spent: WhenSpent,
        longest_call_seconds: float,
        observer: PurseObserver,
    ) -> None:
        """`longest_call_seconds`: what others have reserved is settled after so long, or its worker is dead."""
        self._budgets = budgets
        self._pricing = pricing
        self._when_spent = when_spent
        self._longest = longest_call_seconds
        self._observer = observer

    def reservation(
        self, request: LiveRequest, target: Target, prompt: Prompt, most_output: int, now: datetime
    ) -> Reservation | None:
        """What to hold for one call; None for a request that no budget concerns."""
        event = request.event
        tier = (event.metadata or {}).get("subscription")
        allowances = self._budgets.allowances(
            user=str(user_key(event.user_id)), tier=tier if isinstance(tier, str) else STANDARD
        )
        if not allowances:
            return None
        usage = Usage(input=_most_input(prompt), output=most_output)
        if prompt.speech is not None:
            usage = Usage(input=0, output=0, characters=len(prompt.speech.text))
        price = self._pricing.price(provider=target.provider, model=target.model, usage=usage, at=now)
        return Reservation(
            usd=price.usd or Decimal(0), begins_at=begins(self._budgets.window, now), allowances=allowances
        )

    def refused(self, over: OverBudget, patience: Patience, *, now: datetime) -> Wait | Refuse:
        """What a request does whose reservation found no room.

        It waits while the calls of others, once settled, may leave enough; then it ends, or waits for the next window.
        """
        self._observer.over_budget(kind_of(over.allowance.scope), is_spent=over.is_spent)
        patience.since = patience.since or now
        if not over.is_spent and (now - patience.since).total_seconds() < self._longest:
            patience.looks += 1
            return Wait(min(FIRST_LOOK_SECONDS * 2 ** min(patience.looks - 1, 16), LONGEST_LOOK_SECONDS))
        window = self._budgets.window
        turn = turns(window, begins(window, now))
        if self._when_spent == "wait":
            patience.since = None
            return Wait(max(FIRST_LOOK_SECONDS, (turn - now).total_seconds()))
        return Refuse(_told(over.allowance, window, turn))


def _most_input(prompt: Prompt) -> int:
    texts = [prompt.system, *(turn.text for turn in prompt.turns)]
    if prompt.output_schema is not None:
        texts.append(str(prompt.output_schema.schema))
    images = IMAGE_CHARACTERS // CHARACTERS_PER_TOKEN * sum(turn.image is not None for turn in prompt.turns)
    return sum(len(text.encode("utf-8", "replace")) for text in texts) // BYTES_PER_TOKEN + 1 + images


def _told(allowance: Allowance, window: str, turn: datetime) -> str:
    whose = {"total": "the budget", "tier": "the budget of this tier", "user": "the budget of this user"}
    name = whose[kind_of(allowance.scope)]
    return f"{name} of {allowance.usd} USD a {window} is spent; it begins anew at {turn:%Y-%m-%dT%H:%M:%SZ}"
