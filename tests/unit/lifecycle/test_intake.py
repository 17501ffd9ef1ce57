"""What becomes of each kind of record: runnable, told and kept, kept alone; and when our own code is at fault."""

import base64
from typing import Any

import pytest
from tests.unit.lifecycle.living import Living, asked, identity_of
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.events import COMPLETED_TOPIC, DEAD_LETTER_TOPIC, FAILED_TOPIC
from fanzgpt_workers.lifecycle.intake import MAX_BROKEN_IN_A_ROW
from fanzgpt_workers.records import Handled

NUMBER_AS_USER = asked(userId=7)
NAMELESS: dict[str, Any] = {"type": "social-post", "input": {}}


@pytest.mark.parametrize(
    ("value", "is_told"),
    [
        (None, False),
        (b"", False),
        (b"no JSON", False),
        (b"\xff\xfe", False),
        (b'"a text"', False),
        (NAMELESS, False),
        (NUMBER_AS_USER, False),
        (asked(type="a-song"), True),
        (asked(input={"platform": "x"}), True),
        (asked(deadline="tomorrow"), True),
        (asked(options={"temperature": 9}), True),
        (asked(onUnknown="perhaps"), True),
    ],
)
@on_virtual_time
async def test_a_record_that_breaks_the_contract_is_kept_whole_and_told_where_its_sender_can_be_read(
    value: object, is_told: bool
) -> None:
    living = Living()
    record = living.record(value, offset=5, headers=[("traceparent", b"00-x")])
    assert await living.intake.work(record).run(1) is Handled.DONE
    (letter,) = living.told(DEAD_LETTER_TOPIC)
    assert (letter["topic"], letter["partition"], letter["offset"]) == ("ai.generation.requested", 0, 5)
    assert letter["reason"] == "invalid"
    assert letter["error"]
    assert base64.b64decode(letter["key"]) == b"u-1"
    assert letter.get("value") == (None if record.value is None else base64.b64encode(record.value).decode())
    told = living.told(FAILED_TOPIC)
    assert [(each["reason"], each["userId"]) for each in told] == ([("invalid", "u-1")] if is_told else [])
    assert not living.provider.calls
    assert not living.ledger.requests


@on_virtual_time
async def test_a_bad_record_again_is_the_same_letter_and_the_same_answer() -> None:
    living = Living()
    for _ in range(2):
        await living.take(asked(type="a-song"), offset=5)
    for topic in (DEAD_LETTER_TOPIC, FAILED_TOPIC):
        first, second = living.events(topic)
        assert identity_of(first) == identity_of(second)
    await living.take(asked(type="a-song"), offset=6)
    assert len({identity_of(event) for event in living.events(DEAD_LETTER_TOPIC)}) == 2


@on_virtual_time
async def test_an_invalid_request_is_no_ending_of_the_valid_one_with_its_id() -> None:
    living = Living()
    await living.take(asked(type="a-song"), offset=1)
    await living.take(asked(), offset=2)
    assert [each["post"] for each in (event["output"] for event in living.told(COMPLETED_TOPIC))] == ["an answer"]
    identities = {identity_of(event) for event in (*living.events(FAILED_TOPIC), *living.events(COMPLETED_TOPIC))}
    assert len(identities) == 2


@on_virtual_time
async def test_a_lane_is_a_conversation_of_a_user_or_else_the_request_itself() -> None:
    living = Living()

    def lane(**more: object) -> object:
        return living.intake.work(living.record(asked(**more))).slot.lane

    assert lane(requestId="a", conversationId="c") == lane(requestId="b", conversationId="c")
    assert lane(conversationId="c") != lane(conversationId="d")
    assert lane(conversationId="c") != lane(conversationId="c", userId="u-2")
    assert lane(requestId="a") == lane(requestId="a")
    assert lane(requestId="a") != lane(requestId="b")


@on_virtual_time
async def test_bad_records_stand_in_nobodys_way() -> None:
    living = Living()
    slots = [living.intake.work(living.record(b"no JSON", offset=offset)).slot for offset in (1, 2)]
    assert slots[0].lane != slots[1].lane


class Broken:
    """A filter with a bug."""

    def blocks_request(self, event: object) -> bool:
        raise ZeroDivisionError("a bug")

    def blocks_answer(self, output: object) -> bool:
        return False


@on_virtual_time
async def test_a_record_that_our_code_fails_on_is_told_kept_and_passed() -> None:
    living = Living(content_filter=Broken())
    assert await living.take(asked()) is Handled.DONE
    (letter,) = living.told(DEAD_LETTER_TOPIC)
    assert letter["reason"] == "internal-error"
    assert "ZeroDivisionError" in letter["error"]
    (told,) = living.told(FAILED_TOPIC)
    assert (told["reason"], told["retryable"]) == ("internal", True)
    assert [type(error) for error in living.heard.broken] == [ZeroDivisionError]


@on_virtual_time
async def test_a_bad_release_stops_before_it_has_emptied_the_topic_into_the_dead_letters() -> None:
    living = Living(content_filter=Broken())
    for number in range(MAX_BROKEN_IN_A_ROW - 1):
        assert await living.take(asked(requestId=f"r-{number}"), offset=number) is Handled.DONE
    with pytest.raises(ZeroDivisionError):
        await living.take(asked(requestId="the last"), offset=99)
    assert len(living.told(DEAD_LETTER_TOPIC)) == MAX_BROKEN_IN_A_ROW - 1


@on_virtual_time
async def test_single_failures_between_good_records_never_stop_the_process() -> None:
    living = Living()
    for number in range(3 * MAX_BROKEN_IN_A_ROW):
        living.answering._filter = Broken() if number % 2 else None
        assert await living.take(asked(requestId=f"r-{number}"), offset=number) is Handled.DONE
    assert len(living.heard.broken) > MAX_BROKEN_IN_A_ROW
