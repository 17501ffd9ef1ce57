"""What a vendor's HTTP looks like, apart from which vendor it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fanzgpt_stack.emulator.calls import Answer, Call, Vendor
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.limits import Standing
from fanzgpt_stack.emulator.replies import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What tells one answer from another: the call's number in the bill, and seconds since the epoch."""

    number: int
    created: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What is to be refused: by a status, or by a kind that has words, and mostly a status, of its own."""

    status: int | None
    number: int
    kind: str | None = None
    message: str | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status with its body."""

    status: int
    body: bytes
    content_type: str


class VendorShape(Protocol):
    """Reads a vendor's calls and writes its answers."""

    @property
    def vendor(self) -> Vendor:
        """Whose shape it is."""
        ...

    def read(self, request: HttpRequest) -> Call:
        """The call; raises CallRefused in the vendor's words."""
        ...

    def response_id(self, number: int) -> str:
        """The id of the answer to the call of this number."""
        ...

    def body(self, call: Call, answer: Answer, marks: Marks) -> dict[str, object]:
        """The JSON of a whole answer."""
        ...

    def events(self, call: Call, answer: Answer, marks: Marks, pieces: Sequence[str]) -> list[bytes]:
        """The server-sent events of a streamed answer, whose text comes in pieces."""
        ...

    def text_event(self, event: bytes) -> bool:
        """Whether an event carries a piece of the text."""
        ...

    def without_usage(self, events: Sequence[bytes]) -> list[bytes]:
        """The stream, complete but for its token counts."""
        ...

    def error_event(self) -> bytes:
        """The event of an error after the stream has begun."""
        ...

    def error(self, refused: Refused) -> Refusal:
        """The refusal in the vendor's words."""
        ...

    def headers(self, number: int) -> Headers:
        """What every answer carries: the vendor's own id of the exchange."""
        ...

    def limit_headers(self, standing: Standing, *, now: float) -> Headers:
        """How the caller stands with its limits. `now` is seconds since the epoch."""
        ...

    def models(self) -> dict[str, object]:
        """The list of models."""
        ...
