"""Identities come out the same everywhere and for ever, and never the same for two things."""

from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fanzgpt_schemas.identity import (
    derived_request_id,
    event_id,
    foreign_event_id,
    record_event_id,
    request_key,
    user_key,
)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def test_the_mapping_is_what_rows_were_written_with() -> None:
    assert user_key("test-user-1") == UUID("493dd052-23e3-59eb-9027-f19e77e30f9f")
    assert request_key("test-user-1", "r-1") == UUID("c91d2a4a-801e-5438-8a3c-7ac41cc32669")
    assert event_id(request_key("test-user-1", "r-1"), "completed") == UUID("2383b3d5-f27e-59c3-b490-846a7338ed8b")
    assert record_event_id("ai.generation.requested", 3, 42) == UUID("a9e3666a-dae9-53df-9c90-71a1e8bcfe38")
    assert foreign_event_id("here", "17") == UUID("402fef6a-a0b6-5e7a-9294-fbfdd60e9f5a")
    assert derived_request_id("ai.generation.requested", 3, 42) == "ai.generation.requested/3/42"


@given(user=st.uuids())
def test_a_user_with_a_uuid_keeps_it_however_it_is_spelled(user: UUID) -> None:
    assert user_key(str(user)) == user_key(str(user).upper()) == user


@pytest.mark.parametrize("spelling", ["{%s}", "urn:uuid:%s", "%s ", "%s\n"])
def test_only_the_canonical_form_is_a_uuid(spelling: str) -> None:
    plain = "8f14e45f-ceea-467f-a0b8-1d2f3c4b5a69"
    assert user_key(spelling % plain) != UUID(plain)
    assert user_key(plain.replace("-", "")) != UUID(plain)


@given(one=st.tuples(names, names), other=st.tuples(names, names))
def test_two_requests_never_share_a_key(one: tuple[str, str], other: tuple[str, str]) -> None:
    assume(one != other)
    assert request_key(*one) != request_key(*other)
    assert foreign_event_id(*one) != foreign_event_id(*other)


@given(user=names, request=names)
def test_a_name_cannot_be_moved_between_user_and_request(user: str, request: str) -> None:
    assert request_key(user + request[0], request[1:]) != request_key(user, request)


@given(user=names, request=names, kinds=st.lists(names, min_size=2, max_size=2, unique=True))
def test_each_event_of_a_request_has_its_own_id(user: str, request: str, kinds: list[str]) -> None:
    key = request_key(user, request)
    assert event_id(key, kinds[0]) == event_id(key, kinds[0]) != event_id(key, kinds[1])


@given(ce_id=st.uuids())
def test_a_uuid_is_its_own_event_id_whatever_the_source(ce_id: UUID) -> None:
    assert foreign_event_id("here", str(ce_id)) == foreign_event_id("there", str(ce_id).upper()) == ce_id
