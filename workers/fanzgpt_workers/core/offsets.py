"""How far a partition may be committed while its records finish in any order."""

from collections import deque


class OffsetTracker:
    """One partition during one assignment: which records were taken, and the first offset that is not done.

    Promise: `committable` never passes a record that was taken and is not done, whatever the order of completion and
    whatever gaps the log has (transaction markers, compaction). It only grows. Each operation is O(1) amortised, and
    memory is bounded by the records taken and not yet passed.
    """

    __slots__ = ("_done", "_next", "_open")

    def __init__(self) -> None:
        """Begin without a position: nothing is committable until a first record was taken."""
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._next: int | None = None

    def take(self, offset: int) -> bool:
        """Note a record in the order of the log; False for one at or below an offset already taken (a repeat)."""
        if self._next is not None and offset < self._next:
            return False
        self._open.append(offset)
        self._next = offset + 1
        return True

    def done(self, offset: int) -> None:
        """Note that a taken record has its ending; once more, or for an offset never taken, changes nothing."""
        if not self._open or offset < self._open[0] or self._next is None or offset >= self._next:
            return
        self._done.add(offset)
        while self._open and self._open[0] in self._done:
            self._done.discard(self._open.popleft())

    @property
    def committable(self) -> int | None:
        """The offset a restart has to begin at: the first not done, or the next one; None before the first record."""
        return self._open[0] if self._open else self._next

    @property
    def taken(self) -> int:
        """Records taken that the commit has not passed, done ones behind an unfinished one included."""
        return len(self._open)

    @property
    def gap(self) -> int:
        """Records that are done but cannot be committed yet because an earlier one is not."""
        return len(self._done)
