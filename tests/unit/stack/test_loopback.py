import socket
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_stack.loopback import HOST, choose_ports, is_free


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_with_a_listener_is_not_free(stranger: int) -> None:
    assert not is_free(stranger)


def test_a_port_with_a_listener_on_every_interface_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))  # noqa: S104  # what a stranger may do
        listener.listen()
        assert not is_free(listener.getsockname()[1])


def test_a_known_port_is_kept_while_it_is_free() -> None:
    first = choose_ports(["postgres"], known={}, in_use=(), random=Random(1))
    assert choose_ports(["postgres"], known=first, in_use=(), random=Random(2)) == first


def test_a_known_port_that_a_stranger_took_is_left_to_them(stranger: int) -> None:
    chosen = choose_ports(["postgres"], known={"postgres": stranger}, in_use=(), random=Random(1))
    assert chosen["postgres"] != stranger
    assert is_free(chosen["postgres"])


def test_a_port_on_which_our_own_server_listens_is_kept(stranger: int) -> None:
    chosen = choose_ports(["postgres"], known={"postgres": stranger}, in_use=["postgres"], random=Random(1))
    assert chosen == {"postgres": stranger}


@given(st.sets(st.text(min_size=1, max_size=8), max_size=12), st.integers())
def test_no_two_servers_get_the_same_port(names: set[str], seed: int) -> None:
    chosen = choose_ports(names, known={}, in_use=(), random=Random(seed))
    assert chosen.keys() == names
    assert len(set(chosen.values())) == len(names)


@given(st.integers())
def test_a_new_port_is_never_one_that_a_resting_server_will_want_back(seed: int) -> None:
    known = choose_ports(["kafka-1", "valkey"], known={}, in_use=(), random=Random(seed))
    chosen = choose_ports(["postgres"], known=known, in_use=(), random=Random(seed))
    assert chosen["postgres"] not in known.values()
