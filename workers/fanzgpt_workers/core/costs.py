"""About how many tokens a request will take, before anything is known of it but its type and its size."""

from typing import Final

FIRST_OUTPUT: Final = 300.0
BYTES_PER_TOKEN: Final = 4
_MEMORY: Final = 0.05
"""Weight of the newest answer: the last forty or so count."""


class Costs:
    """The outputs of each type, learned from answers."""

    def __init__(self) -> None:
        """Every type is taken for one of short answers."""
        self._outputs: dict[str, float] = {}

    def of(self, kind: str, size: int, most: int | None) -> int:
        """The tokens of a request of so many bytes whose answer may take `most`."""
        output = self._outputs.get(kind, FIRST_OUTPUT)
        return size // BYTES_PER_TOKEN + round(output if most is None else min(output, most))

    def learn(self, kind: str, output: int) -> None:
        """An answer took so many."""
        known = self._outputs.get(kind, FIRST_OUTPUT)
        self._outputs[kind] = known + _MEMORY * (output - known)
