"""How many calls are under way."""

from collections.abc import Callable
from time import process_time


class Traffic:
    """Counts calls from arrival to the last byte of the reply."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Begin the counts again; calls under way stay under way."""
        self._since = self._clock()
        self._cpu_since = process_time()
        self._calls = self._finished = self._abandoned = 0
        self._most_in_flight = self._in_flight

    def began(self) -> None:
        """A call has arrived."""
        self._calls += 1
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)

    def ended(self, sent: bool) -> None:
        """A reply is out, or its client went away before that."""
        self._in_flight -= 1
        if sent:
            self._finished += 1
        else:
            self._abandoned += 1

    def in_flight(self) -> int:
        """Calls under way."""
        return self._in_flight

    def document(self) -> dict[str, object]:
        """The counts; `seconds` and `cpu_seconds` (of the whole process) since they began."""
        return {
            "calls": self._calls,
            "finished": self._finished,
            "abandoned": self._abandoned,
            "in_flight": self._in_flight,
            "max_in_flight": self._most_in_flight,
            "seconds": round(self._clock() - self._since, 6),
            "cpu_seconds": round(process_time() - self._cpu_since, 6),
        }
