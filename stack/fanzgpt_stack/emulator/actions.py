"""What a script can make of a call.

In JSON, `do` names the action: `{"do": "status", "status": 429, "retry_after": 30}`. Times are seconds, or texts such
as `"200ms"`. Every action may say whether the call is `billed`; each has its own default, which is what a careful
caller would have to assume of a vendor.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fanzgpt_stack.emulator.durations import seconds


def _seconds(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=86_400)]
ByteCount = Annotated[int, Field(ge=0, le=1 << 31)]


class _Action(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    billed: bool | None = None


class Status(_Action):
    """Refuse with a status, in the vendor's own words. Not billed by default.

    `kind` names a refusal that has its own words, and then needs no status. At most one of the `retry_after` forms:
    seconds or any text as the header's value; milliseconds; seconds from now as an HTTP date.
    """

    do: Literal["status"] = "status"
    status: Annotated[int, Field(ge=300, le=599)] | None = None
    kind: Literal["insufficient_quota", "spend_limit", "context_length", "content_policy"] | None = None
    message: str | None = None
    body: str | None = None
    headers: dict[str, str] = {}
    retry_after: float | str | None = None
    retry_after_ms: float | None = None
    retry_after_date: float | None = None

    @model_validator(mode="after")
    def _says_enough(self) -> "Status":
        if self.status is None and self.kind is None:
            raise ValueError("a status action names a status or a kind")
        if sum(form is not None for form in (self.retry_after, self.retry_after_ms, self.retry_after_date)) > 1:
            raise ValueError("retry_after, retry_after_ms and retry_after_date exclude each other")
        return self


class Hang(_Action):
    """Never finish: nothing at all is sent, or the head and so many bytes of the body. Billed by default."""

    do: Literal["hang"] = "hang"
    after_bytes: ByteCount | None = None


class Slow(_Action):
    """Answer, but so many seconds later. Billed."""

    do: Literal["slow"] = "slow"
    seconds: Seconds


class Drip(_Action):
    """Answer in drops of so many bytes, one every so many seconds. Billed."""

    do: Literal["drip"] = "drip"
    bytes: Annotated[int, Field(ge=1)] = 1
    every: Seconds


class Cut(_Action):
    """Close the connection after so many bytes of the body, or so many events of a stream. Billed by default."""

    do: Literal["cut"] = "cut"
    after_bytes: ByteCount | None = None
    after_chunks: ByteCount | None = None
    how: Literal["close", "reset"] = "close"

    @model_validator(mode="after")
    def _says_where(self) -> "Cut":
        if (self.after_bytes is None) == (self.after_chunks is None):
            raise ValueError("a cut is after_bytes or after_chunks")
        return self


class Reset(_Action):
    """Reset the connection without a byte of an answer. Billed by default: the call had arrived."""

    do: Literal["reset"] = "reset"


class Garbage(_Action):
    """Answer 200 with something that is no answer. Billed by default. `bytes` is the size of what is `huge`."""

    do: Literal["garbage"] = "garbage"
    what: Literal[
        "html",
        "invalid-json",
        "empty-body",
        "empty-choices",
        "null-content",
        "wrong-type",
        "missing-usage",
        "huge",
        "gzip-bomb",
        "not-http",
    ]
    bytes: ByteCount = 10_000_000


class Finish(_Action):
    """Answer, but finish for another reason than being done. Billed by default."""

    do: Literal["finish"] = "finish"
    reason: Literal["refusal", "length", "content_filter"]


class Say(_Action):
    """Answer with this very text, unsigned. Billed by default."""

    do: Literal["say"] = "say"
    text: str


class Count(_Action):
    """Answer, and count tokens of kinds with prices of their own, or at another tier. Billed.

    `input` and `output` are the totals where they are given; cached and audio tokens are parts of these.
    """

    do: Literal["count"] = "count"
    input: Annotated[int, Field(ge=0)] | None = None
    output: Annotated[int, Field(ge=0)] | None = None
    cache_read: Annotated[int, Field(ge=0)] = 0
    cache_write: Annotated[int, Field(ge=0)] = 0
    cache_write_1h: Annotated[int, Field(ge=0)] = 0
    reasoning: Annotated[int, Field(ge=0)] = 0
    input_audio: Annotated[int, Field(ge=0)] = 0
    output_audio: Annotated[int, Field(ge=0)] = 0
    tier: Literal["flex", "priority", "batch"] | None = None


class StreamFault(_Action):
    """Stream an answer with a fault in it, after so many pieces of text. Billed by default.

    `error-event`: an error after status 200; `no-end`: the stream ends without saying that it is complete;
    `no-usage`: complete but without token counts; `duplicate-chunk`: one piece comes twice; `split-utf8`: a character
    is torn over two chunks, which is allowed and must be read. A call that is not streamed is answered as ever.
    """

    do: Literal["stream"] = "stream"
    fault: Literal["error-event", "no-end", "no-usage", "duplicate-chunk", "split-utf8"]
    after_chunks: ByteCount = 1


Action = Annotated[
    Status | Hang | Slow | Drip | Cut | Reset | Garbage | Finish | Say | Count | StreamFault, Field(discriminator="do")
]
AnyAction = Status | Hang | Slow | Drip | Cut | Reset | Garbage | Finish | Say | Count | StreamFault


def outcome_of(action: AnyAction) -> str:
    """The action's name in the bill."""
    match action:
        case Status(kind=str() as kind):
            return kind
        case Status(status=status):
            return str(status)
        case Garbage(what=what):
            return f"garbage:{what}"
        case Finish(reason=reason):
            return reason
        case StreamFault(fault=fault):
            return f"stream:{fault}"
        case _:
            return action.do


def is_billed(action: AnyAction) -> bool:
    """Whether the call is charged."""
    return not isinstance(action, Status) if action.billed is None else action.billed
