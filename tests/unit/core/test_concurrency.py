"""As many calls at once as a provider bears."""

from collections import deque

from fanzgpt_workers.core.concurrency import Window


def test_there_is_no_bound_until_a_call_is_refused() -> None:
    window = Window()
    for _ in range(1_000):
        window.begun()
    assert window.has_room
    window.ended(0, "server-error")
    assert window.size is None


def test_one_flight_decreases_once_however_many_of_it_are_refused() -> None:
    window = Window()
    flights = [window.begun() for _ in range(100)]
    for flight in flights:
        window.ended(flight, "throttled")
    assert window.size == 70
    again = [window.begun() for _ in range(70)]
    assert not window.has_room
    window.ended(again[0], "overloaded")
    assert window.size == 49


def test_a_full_window_grows_by_one_a_round_and_an_empty_one_does_not() -> None:
    window = Window()
    flights = [window.begun() for _ in range(20)]
    for flight in flights:
        window.ended(flight, "throttled")
    assert window.size == 14
    for _ in range(14):
        window.ended(window.begun(), "ok")
    assert window.size == 14, "one at a time shows nothing about fourteen"
    under_way = deque(window.begun() for _ in range(14))
    for _ in range(14):
        window.ended(under_way.popleft(), "ok")
        under_way.append(window.begun())
    assert 14.9 < window.size < 15.1


def test_it_swings_about_what_the_provider_bears() -> None:
    bears, window, under_way, sizes = 50, Window(), deque[tuple[int, bool]](), []
    for _ in range(20_000):
        while window.has_room and len(under_way) < 200:
            under_way.append((window.begun(), len(under_way) < bears))
        flight, taken = under_way.popleft()
        window.ended(flight, "ok" if taken else "throttled")
        sizes.append(window.in_flight)
    late = sizes[10_000:]
    assert 0.6 * bears < sum(late) / len(late) <= bears + 1
    assert max(late) <= bears + 2
