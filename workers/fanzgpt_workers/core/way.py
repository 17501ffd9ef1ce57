"""One request's way along its fallback chain."""

from collections.abc import Sequence
from enum import Enum

from fanzgpt_workers.core.attempts import Outcome
from fanzgpt_workers.core.breaker import FAILURES
from fanzgpt_workers.core.routing import Target


class Step(Enum):
    """What follows a failure."""

    SAME = "the same again, when it is time"
    NEXT = "the next in the chain, at once"
    ANEW = "the chain from its beginning, when it is time"
    GIVE_UP = "nothing: no call can help"


class Way:
    """Which targets are still ahead.

    A failure that speaks against the provider leads to the next target at once, and from the last one back to the
    first. A limit (429) is waited for where it is: it says nothing against the provider, and the fallback may cost
    more. What the first target refuses for good is refused; a fallback that does (it lacks the model, say) is left out.
    """

    def __init__(self, chain: Sequence[Target]) -> None:
        """Stand before the first."""
        self._chain = list(chain)
        self._place = 0
        self._failed: set[Target] = set()

    def ahead(self) -> Sequence[Target]:
        """Those that the next call may go to, in order."""
        return self._chain[self._place :]

    def has_failed(self, target: Target) -> bool:
        """Whether a call of this request has failed there."""
        return target in self._failed

    def after(self, target: Target, outcome: Outcome, *, retryable: bool) -> Step:
        """What follows a failure at a target of the chain."""
        self._failed.add(target)
        place = self._chain.index(target)
        if not retryable and place == 0:
            return Step.GIVE_UP
        if not retryable:
            del self._chain[place]
            place -= 1
        elif outcome not in FAILURES:
            self._place = place
            return Step.SAME
        if place + 1 < len(self._chain):
            self._place = place + 1
            return Step.NEXT
        self._place = 0
        return Step.SAME if len(self._chain) == 1 else Step.ANEW
