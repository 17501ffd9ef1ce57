"""How the work moves while faults happen: the longest standstill, and how long each recovery took."""

import threading
from collections.abc import Callable
from time import monotonic

import psycopg

LOOK_SECONDS = 0.1
_ENDED = "SELECT count(*) FROM ai_requests WHERE state <> 'claimed'"


class Progress(threading.Thread):
    """Looks at the ledger ten times a second, and bears that it is away."""

    def __init__(self, database_url: str, *, outstanding: Callable[[int], bool]) -> None:
        """`outstanding` says of a number of ended requests whether more are to come now."""
        super().__init__(daemon=True)
        self._url = f"{database_url}?connect_timeout=1"
        self._outstanding = outstanding
        self._stopped = threading.Event()
        self._healed: list[float] = []
        self._moved = monotonic()
        self.ended = 0
        self.standstill = 0.0
        self.recoveries: list[float] = []

    def healed(self) -> None:
        """A fault is over: the next ending is its recovery."""
        self._healed.append(monotonic())

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()
        self.join(10)

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    while not self._stopped.wait(LOOK_SECONDS):
                        found = connection.execute(_ENDED).fetchone()
                        self._note(found[0] if found else 0)
            except psycopg.Error:
                continue

    def _note(self, ended: int) -> None:
        now = monotonic()
        if ended != self.ended:
            healed, self._healed = self._healed, []
            self.recoveries += [now - at for at in healed]
            self.ended, self._moved = ended, now
        elif self._outstanding(ended):
            self.standstill = max(self.standstill, now - self._moved)
        else:
            self._moved = now
