"""The bill: one JSON line per call received, in a file that outlives everybody.

A line is in the file before the call is answered, and a line never changes. Whatever happens to a caller, its calls
are billed; if the emulator itself is killed, at most the calls of the moment are missing, and none of these was
answered. (A crash of the machine may take what the operating system had not yet written.)
"""

import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

_NANO_PER_DOLLAR: Final = 1_000_000_000


class BillUnwritable(Exception):
    """The bill cannot be kept, so no call may be answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """One call. Tokens and cost are 0 where it is not billed; cost is in nano-dollars.

    `outcome` is `ok`, or what was scripted; `status` the HTTP status of the answer, None where there was none.
    `retry_after` and `delay` are in seconds: what the caller was told to wait, and how long the answer was held back.
    Speech is charged by its `characters`, and has no tokens.
    """

    seq: int
    arrived_at: datetime
    vendor: str
    path: str
    model: str | None
    stream: bool
    request_id: str | None
    attempt_id: str | None
    outcome: str
    status: int | None
    billed: bool
    input_tokens: int
    output_tokens: int
    cost_nanodollars: int
    retry_after: float | None
    delay: float
    response_id: str | None
    characters: int = 0


class Bill:
    """The file and its totals."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it and its folder where needed; raises BillUnwritable.

        Half a line at the end is what a killed emulator leaves of a call that it did not answer: it is removed.
        """
        self._path = path
        self._unwritten: list[bytes] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                os.ftruncate(self._file, whole)
        except OSError as error:
            raise BillUnwritable(f"the bill {path} cannot be opened: {error}") from error
        self._totals = _Totals()
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                self._totals.add(orjson.loads(line))
            except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                raise BillUnwritable(f"{path}, line {number} is no line of a bill: move the file away") from error

    @property
    def next_seq(self) -> int:
        """The number of the next line; lines are numbered from 1."""
        return self._totals.last_seq + 1

    def add(self, line: BillLine) -> None:
        """Take a line down; it is in the file after the next `flush`."""
        self._unwritten.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z))
        self._totals.count(line)

    def flush(self) -> None:
        """Write what was taken down; raises BillUnwritable."""
        rest = memoryview(b"".join(self._unwritten))
        self._unwritten = []
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            raise BillUnwritable(f"the bill {self._path} cannot be written: {error}") from error

    def clear(self) -> None:
        """Begin an empty bill, numbered from 1 again."""
        self._unwritten = []
        os.ftruncate(self._file, 0)
        self._totals = _Totals()

    def totals(self) -> dict[str, object]:
        """What the bill comes to."""
        return {"path": str(self._path.resolve()), **self._totals.document()}

    def content(self) -> bytes:
        """Every line, as in the file."""
        self.flush()
        return self._path.read_bytes()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        os.close(self._file)


class _Totals:
    __slots__ = ("billed", "calls", "cost", "input_tokens", "last_seq", "outcomes", "output_tokens")

    def __init__(self) -> None:
        self.calls = self.billed = self.last_seq = 0
        self.input_tokens = self.output_tokens = self.cost = 0
        self.outcomes: Counter[str] = Counter()

    def count(self, line: BillLine) -> None:
        self._count(line.seq, line.billed, line.input_tokens, line.output_tokens, line.cost_nanodollars)
        self.outcomes[line.outcome] += 1

    def add(self, line: dict[str, object]) -> None:
        seq, billed, input_tokens, output_tokens, cost = (
            line[name] for name in ("seq", "billed", "input_tokens", "output_tokens", "cost_nanodollars")
        )
        self._count(int(str(seq)), billed is True, int(str(input_tokens)), int(str(output_tokens)), int(str(cost)))
        self.outcomes[str(line["outcome"])] += 1

    def _count(self, seq: int, billed: bool, input_tokens: int, output_tokens: int, cost: int) -> None:
        self.last_seq = seq
        self.calls += 1
        self.billed += billed
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.cost += cost

    def document(self) -> dict[str, object]:
        dollars, rest = divmod(self.cost, _NANO_PER_DOLLAR)
        return {
            "calls": self.calls,
            "billed": self.billed,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_nanodollars": self.cost,
            "cost_usd": f"{dollars}.{rest:09}",
            "outcomes": dict(self.outcomes),
        }
