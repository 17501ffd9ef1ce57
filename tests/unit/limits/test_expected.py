"""What calls are expected to take."""

from random import Random

from fanzgpt_workers.limits.expected import Expected


def learned(outputs: list[int], most: int = 8_000) -> Expected:
    expected = Expected(most)
    for output in outputs:
        expected.begins()
        expected.ends(output)
    return expected


def test_nothing_known_is_everything_possible() -> None:
    assert Expected(8_000).at_most(8_000) == 8_000
    assert Expected(8_000).at_most(100) == 100


def test_the_sum_of_calls_under_way_is_rarely_more_than_was_expected_of_them() -> None:
    random = Random(7)
    sizes = [round(50 * 160 ** (step / 23)) for step in range(24)]
    expected = learned(random.choices(sizes, k=200))
    for together in (1, 2, 5, 20, 100):
        reserved = sum(expected.at_most(8_000, ahead=ahead) for ahead in range(together))
        longer = sum(sum(random.choices(sizes, k=together)) > reserved for _ in range(1_000))
        assert longer < 150, together


def test_calls_that_are_all_alike_are_expected_to_be_so() -> None:
    assert learned([60] * 300).at_most(8_000) <= 62


def test_who_nobody_heard_of_again_teaches_nothing() -> None:
    expected = learned([60] * 300)
    expected.begins()
    expected.ends(None)
    assert expected.at_most(8_000) <= 62


def test_a_new_habit_is_learned_within_a_hundred_calls() -> None:
    expected = learned([60] * 300 + [600] * 100)
    assert 590 < expected.at_most(8_000) < 750
