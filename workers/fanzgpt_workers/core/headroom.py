"""What a provider says is left of its limits, beside an answer."""

from typing import NamedTuple

from fanzgpt_workers.core.load import UNLIMITED, Limit


class Level(NamedTuple):
    """One limit a minute, and what was left of it when the call had arrived."""

    limit: int
    remaining: int


class Headroom(NamedTuple):
    """What was said; None where nothing was."""

    requests: Level | None = None
    tokens: Level | None = None
    input_tokens: Level | None = None
    output_tokens: Level | None = None

    def limit(self) -> Limit:
        """The limits that the provider keeps."""
        return Limit(
            requests=_limit(self.requests),
            tokens=_limit(self.tokens),
            input_tokens=_limit(self.input_tokens),
            output_tokens=_limit(self.output_tokens),
        )


def _limit(level: Level | None) -> int:
    return UNLIMITED if level is None else level.limit
