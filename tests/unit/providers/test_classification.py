"""Which error a refusal or a broken exchange means."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.errors import (
    Cut,
    NoSuchModel,
    OutOfCredit,
    Overloaded,
    ProviderError,
    Refused,
    Throttled,
    TimedOut,
    Unreachable,
)
from fanzgpt_workers.ports import Prompt, Turn
from fanzgpt_workers.providers.classification import broken, refusal, retry_after
from fanzgpt_workers.providers.exchange import Answer

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
PROMPT = Prompt(
    version="test/1", system="You are kind.", turns=(Turn(role="user", text="My secret diagnosis is gout."),)
)
CONNECTION = SimpleNamespace(host="127.0.0.1", port=1, is_ssl=False, ssl=True, proxy=None)


def refused(status: int, body: object, headers: dict[str, str] | None = None) -> ProviderError:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return refusal(Answer(status, headers or {}, content), prompt=PROMPT, now=NOW.timestamp())


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (429, {"code": "insufficient_quota"}, OutOfCredit),
        (429, {"type": "insufficient_quota"}, OutOfCredit),
        (429, {"code": "credit_balance_exhausted"}, OutOfCredit),
        (429, {"code": "enforced_spend_limit_reached"}, OutOfCredit),
        (429, {"type": "rate_limit_error", "details": {"error_code": "enforced_spend_limit_reached"}}, OutOfCredit),
        (400, {"message": "Your credit balance is too low to access the Anthropic API."}, OutOfCredit),
        (402, {"type": "billing_error"}, OutOfCredit),
        (429, {"code": "rate_limit_exceeded"}, Throttled),
        (500, {"type": "overloaded_error"}, Overloaded),
        (400, {"code": "model_not_found"}, NoSuchModel),
        (418, {}, Refused),
    ],
)
def test_the_body_decides_where_the_status_does_not(
    status: int, error: dict[str, object], expected: type[ProviderError]
) -> None:
    assert type(refused(status, {"error": error})) is expected


def test_the_text_says_what_the_provider_said() -> None:
    error = refused(400, {"error": {"type": "invalid_request_error", "code": "x", "message": "Too\n long."}})
    assert error.detail == "HTTP 400 invalid_request_error x: Too long."


@pytest.mark.parametrize("message", ["Incorrect API key provided: sk-proj-abcdef123456", "bad key: Bearer abcdef123"])
def test_a_key_is_never_repeated(message: str) -> None:
    assert "abcdef" not in refused(401, {"error": {"message": message}}).detail


def test_words_that_quote_the_prompt_are_left_out() -> None:
    error = refused(400, {"error": {"message": "cannot read 'My secret diagnosis is gout.'", "type": "invalid"}})
    assert "secret" not in error.detail
    assert error.detail.startswith("HTTP 400 invalid")


def test_a_page_in_place_of_an_error_is_not_quoted() -> None:
    assert refused(502, b"<html>nginx</html>").detail == "HTTP 502"


def test_the_exchange_is_named_for_the_providers_support() -> None:
    assert refused(500, {}, {"request-id": "req_1"}).response_id == "req_1"
    assert refused(500, {}, {"x-request-id": "req_2"}).response_id == "req_2"


def test_a_date_is_measured_from_the_answers_own_date() -> None:
    told = {"date": format_datetime(NOW - timedelta(hours=3)), "retry-after": format_datetime(NOW - timedelta(hours=2))}
    assert retry_after(told, now=NOW.timestamp()) == 3600.0
    del told["date"]
    assert retry_after(told, now=NOW.timestamp()) == 0.0


def test_milliseconds_come_before_seconds() -> None:
    assert retry_after({"retry-after-ms": "1500", "retry-after": "60"}, now=0.0) == 1.5


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_any_wish_to_wait_is_read_as_a_wait_or_as_none(milliseconds: str, seconds: str, date: str) -> None:
    wait = retry_after({"retry-after-ms": milliseconds, "retry-after": seconds, "date": date}, now=NOW.timestamp())
    assert wait is None or 0 <= wait < float("inf")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "details", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.integers(300, 599), JSON.map(orjson.dumps) | st.binary(max_size=60))
def test_any_refusal_has_a_class_and_words(status: int, content: bytes) -> None:
    error = refused(status, content)
    assert error.status == status
    assert error.detail.startswith("HTTP ")
    assert len(error.detail) < 500


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ClientConnectorError(CONNECTION, OSError(111, "refused")), Unreachable),
        (aiohttp.ConnectionTimeoutError("no connection"), Unreachable),
        (aiohttp.InvalidURL("nonsense"), Unreachable),
        (aiohttp.SocketTimeoutError("silent"), TimedOut),
        (aiohttp.ServerDisconnectedError(), Cut),
        (aiohttp.ClientOSError(104, "reset"), Cut),
        (aiohttp.ClientPayloadError("incomplete"), Cut),
        (ConnectionResetError("reset"), Cut),
        (RuntimeError("?"), Cut),
    ],
)
def test_a_broken_exchange_has_the_class_of_its_innermost_cause(
    error: Exception, expected: type[ProviderError]
) -> None:
    outer = ConnectionError("Connection error.")
    outer.__cause__ = TimeoutError("said by a wrapper that does not know")
    outer.__cause__.__cause__ = error
    if isinstance(error, aiohttp.ClientError):
        assert type(broken(outer)) is expected
    assert type(broken(error)) is expected
