import pytest

from fanzgpt_gateway.outcomes import OUTCOMES, refusal_of
from fanzgpt_schemas.generation import REASONS, GenerationFailed, Reason
from fanzgpt_workers.core.admission import SWITCH_OF, admit
from fanzgpt_workers.lifecycle.answering import BLOCKED


def failed(reason: Reason, detail: str = "a secret of the provider's", kind: str = "social-post") -> GenerationFailed:
    return GenerationFailed(
        request_id="r-1", user_id="u-1", type=kind, input={}, reason=reason, retryable=False, detail=detail
    )


def test_every_reason_has_its_place_in_the_table() -> None:
    assert set(OUTCOMES) == set(REASONS)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("invalid", 400),
        ("rejected", 422),
        ("expired", 504),
        ("cancelled", 409),
        ("conflict", 422),
        ("provider", 502),
        ("output", 502),
        ("internal", 500),
        ("unknown-outcome", 502),
    ],
)
def test_a_reason_is_a_status_and_says_whether_to_ask_again(reason: Reason, status: int) -> None:
    refusal = refusal_of(failed(reason))
    assert refusal.status == status
    assert refusal.body()["retryable"] is False
    assert refusal.body()["requestId"] == "r-1"


@pytest.mark.parametrize("reason", ["provider", "output", "internal", "unknown-outcome", "expired"])
def test_what_a_provider_said_is_not_passed_on(reason: Reason) -> None:
    assert "secret" not in str(refusal_of(failed(reason)).body())


@pytest.mark.parametrize("kind", SWITCH_OF)
def test_a_feature_that_is_switched_off_names_its_switch(kind: str) -> None:
    denied = admit(generation_type=kind, deadline=None, now=None, switched_on=frozenset())  # type: ignore[arg-type]
    assert denied is not None
    refusal = refusal_of(failed("rejected", denied.detail, kind))
    assert (refusal.status, refusal.error) == (403, "Feature disabled")
    assert SWITCH_OF[kind] in refusal.message


def test_blocked_terms_are_answered_in_the_contracts_words_and_no_others() -> None:
    refusal = refusal_of(failed("rejected", BLOCKED))
    assert refusal.status == 400
    assert refusal.body() == {"error": "Content violation", "message": "Content contains blocked terms"}


def test_a_full_window_that_only_a_worker_knew_of_is_told_as_one() -> None:
    refusal = refusal_of(failed("rejected", "Too many requests: at most 100 within 900 s; try again in 3 s"))
    assert (refusal.status, refusal.error) == (429, "Too many requests")
