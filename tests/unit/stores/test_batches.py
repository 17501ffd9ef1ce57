from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.attempts import AttemptEnded
from fanzgpt_workers.stores.pg_address import address_of
from fanzgpt_workers.stores.rounds import rounds
from fanzgpt_workers.stores.settlements import settlement_columns
from fanzgpt_workers.stores.storable import storable


@given(st.lists(st.integers(0, 5)))
def test_rounds_hold_every_item_once_sorted_and_without_a_repeated_key(keys: list[int]) -> None:
    cut = list(rounds(keys, lambda key: key))
    assert sorted(place for batch in cut for place, _ in batch) == list(range(len(keys)))
    for batch in cut:
        found = [key for _, key in batch]
        assert found == sorted(set(found))


@given(st.lists(st.integers(0, 3)))
def test_a_keys_items_keep_their_order_over_the_rounds(keys: list[int]) -> None:
    for key in set(keys):
        places = [place for batch in rounds(keys, lambda key: key) for place, found in batch if found == key]
        assert places == sorted(places)


def test_keys_that_come_once_make_one_round() -> None:
    assert len(list(rounds([3, 1, 2], lambda key: key))) == 1
    assert list(rounds([], lambda key: key)) == []


def test_settlements_are_sorted_by_attempt_and_hold_none_twice() -> None:
    ids = [uuid4() for _ in range(20)]
    columns = settlement_columns([AttemptEnded(attempt_id=each, outcome="ok") for each in ids + ids])
    assert columns[0] == sorted(ids)
    assert {len(column) for column in columns} == {20}


def test_a_settlement_without_usage_or_price_has_nulls_and_never_zeros() -> None:
    columns = settlement_columns([AttemptEnded(attempt_id=UUID(int=1), outcome="unreachable")])
    assert [column[0] for column in columns[2:]] == [None] * 12


@given(st.text(st.characters(exclude_categories=())))
def test_storable_text_has_no_nul_and_encodes(text: str) -> None:
    stored = storable(text)
    assert "\x00" not in stored
    stored.encode()
    if "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text):
        assert stored == text


def test_an_address_has_neither_user_nor_password() -> None:
    assert address_of("postgresql://fanz:geheim@db.example:5433/fanz?sslmode=require") == "db.example:5433/fanz"
    assert address_of("postgresql://fanz:geheim@/fanz?host=/run/postgresql") == "/run/postgresql:5432/fanz"
    assert address_of("postgresql://fanz@[::1]:5432/fanz") == "::1:5432/fanz"
    assert address_of("postgresql://db:port/fanz") == "an address that cannot be read"
