"""From what went wrong with a call to the ProviderError that says what to do.

Statuses and bodies are the providers' documented ones; the transport's exceptions are those of aiohttp, which carries
the SDKs too (each SDK names them in its own way, so they are found again along `__cause__`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

import aiohttp
import orjson

from fanzgpt_workers.errors import (
    Cut,
    Malformed,
    NoSuchModel,
    OutOfCredit,
    Overloaded,
    ProviderError,
    Refused,
    ServerError,
    Throttled,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from fanzgpt_workers.ports import Prompt
from fanzgpt_workers.providers.exchange import Answer
from fanzgpt_workers.providers.headroom import exhausted_for, headroom

NOTHING_ASKED: Final = Prompt(version="", system="", turns=())
"""The prompt of a request that is no call of a model."""

_BY_STATUS: Final[Mapping[int, type[ProviderError]]] = {
    401: Unauthorized,
    402: OutOfCredit,
    403: Unauthorized,
    404: NoSuchModel,
    408: TimedOut,
    409: ServerError,  # the SDKs read it as a lock time-out and repeat it; how far the call got is not told
    429: Throttled,
    503: Overloaded,
    529: Overloaded,
}
# The first that fits: in aiohttp a time-out is a connection error too, and each is a client error.
_BY_EXCEPTION: Final[Sequence[tuple[tuple[type[Exception], ...], type[ProviderError], str]]] = (
    (
        (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError),
        Unreachable,
        "no connection",
    ),
    ((aiohttp.InvalidURL,), Unreachable, "the base URL is no URL"),
    ((aiohttp.ServerTimeoutError, TimeoutError), TimedOut, "the connection went silent"),
    ((aiohttp.ClientResponseError,), Malformed, "what came back is not HTTP"),
    ((aiohttp.ClientError, OSError), Cut, "the connection broke"),
)
_OUT_OF_CREDIT: Final = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "billing_not_active",
        "enforced_spend_limit_reached",
        "billing_error",
    }
)
# Anthropic reports these as an `invalid_request_error` like any other; only the words differ.
_OUT_OF_CREDIT_WORDS: Final = re.compile(
    r"credit balance is too low|reached your specified .{0,20}usage limits", re.IGNORECASE
)
_KEY: Final = re.compile(r"\b(sk|key|Bearer)([-_ ])[A-Za-z0-9_\-*.]{6,}")
_SAID_CHARACTERS: Final = 300
_ECHO_CHARACTERS: Final = 16


def refusal(answer: Answer, *, prompt: Prompt, now: float) -> ProviderError:
    """The error that a status other than success means.

    Args:
        answer: What came back.
        prompt: What was asked. A server may quote it in its error; its words are then left out.
        now: Seconds since the epoch, for a Retry-After date in an answer without a Date.
    """
    status, said = answer.status, _Said.of(answer.content)
    kind = _BY_STATUS.get(status)
    if kind is None:
        kind = ServerError if status >= 500 else Refused
    if status in {400, 402, 403, 429} and said.out_of_credit:
        kind = OutOfCredit
    elif said.type == "overloaded_error":
        kind = Overloaded
    elif said.code == "model_not_found":
        kind = NoSuchModel
    detail = f"HTTP {status}{said.words(prompt)}"
    if 300 <= status < 400:
        detail = f"HTTP {status}: the endpoint redirects; set its base URL to where it really is"
    return kind(
        detail,
        status=status,
        retry_after=_wait(answer.headers, kind, now=now),
        response_id=answer.headers.get("x-request-id") or answer.headers.get("request-id"),
        headroom=headroom(answer.headers),
    )


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """How long the provider asks to wait, in seconds: of `retry-after-ms`, seconds or an HTTP date; else None.

    A date is measured from the answer's own Date where it has one, so that a clock that differs does not matter.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    until = _instant(text)
    if until is None:
        return None
    return max(0.0, until - (_instant(headers.get("date")) or now))


def _wait(headers: Mapping[str, str], kind: type[ProviderError], *, now: float) -> float | None:
    """Its own wish; else, where a limit was reached, the time until there is something left of it."""
    wished = retry_after(headers, now=now)
    return exhausted_for(headers, now=now) if wished is None and kind is Throttled else wished


def broken(error: BaseException) -> ProviderError:
    """The error that an exception of the transport means: whether the call was never sent, cut off, or too late."""
    for cause in _causes(error):
        if isinstance(cause, ProviderError):  # raised within an SDK's client, which wraps whatever it meets
            return cause
        for kinds, meaning, words in _BY_EXCEPTION:
            if isinstance(cause, kinds):
                return meaning(f"{words}: {str(cause)[:_SAID_CHARACTERS] or type(cause).__name__}")
    return Cut(f"the connection broke: {type(error).__name__}")


class _Said:
    """What an error body says: `{"error": {"message", "type", "code"}}` with the many departures from it."""

    __slots__ = ("code", "message", "type")

    def __init__(self, *, message: str | None, type_: str | None, code: str | None) -> None:
        self.message = message
        self.type = type_
        self.code = code

    @classmethod
    def of(cls, content: bytes) -> "_Said":
        try:
            body: object = orjson.loads(content)
        except orjson.JSONDecodeError:
            body = None
        error = body.get("error", body) if isinstance(body, dict) else None
        if isinstance(error, str):
            return cls(message=error, type_=None, code=None)
        if not isinstance(error, dict):
            return cls(message=None, type_=None, code=None)
        details = error.get("details")
        code = error.get("code") or (details.get("error_code") if isinstance(details, dict) else None)
        return cls(message=_text(error.get("message")), type_=_text(error.get("type")), code=_text(code))

    @property
    def out_of_credit(self) -> bool:
        if self.code in _OUT_OF_CREDIT or self.type in _OUT_OF_CREDIT:
            return True
        return self.message is not None and _OUT_OF_CREDIT_WORDS.search(self.message) is not None

    def words(self, prompt: Prompt) -> str:
        named = " ".join(part for part in (self.type, self.code) if part)
        message = " ".join((self.message or "")[: 2 * _SAID_CHARACTERS].split())[:_SAID_CHARACTERS]
        if message and _echoes(message, prompt):
            message = "(its words quote the prompt and are left out)"
        said = _KEY.sub(r"\1\2…", message)
        return "".join(f"{sep}{part}" for sep, part in ((" ", named[:100]), (": ", said)) if part)


def _echoes(message: str, prompt: Prompt) -> bool:
    """Whether a stretch of the prompt stands in the message."""
    stretches = [message[start : start + _ECHO_CHARACTERS] for start in range(0, len(message), _ECHO_CHARACTERS // 4)]
    whole = [stretch for stretch in stretches if len(stretch) == _ECHO_CHARACTERS]
    texts = (" ".join(text.split()) for text in (prompt.system, *(turn.text for turn in prompt.turns)))
    return any(stretch in text for text in texts for stretch in whole)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Innermost first: the transport's own exception before the names that were put over it."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    # The transport's exceptions are wrapped once; below them stand the operating system's.
    known = [cause for cause in chain if isinstance(cause, (ProviderError, aiohttp.ClientError))]
    return iter(known or reversed(chain))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _instant(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
