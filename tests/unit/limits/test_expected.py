"""What calls are expected to take."""

from random import Random

from fanzgpt_workers.core.load import NOTHING, Load
from fanzgpt_workers.limits.expected import Expected


def learned(outputs: list[int], most: int = 8_000) -> Expected:
    expected = Expected(most)
    for output in outputs:
        expected.ended(prompt_characters=400, input_tokens=100, output_tokens=output)
    return expected


def together(expected: Expected, number: int, most: int = 8_000) -> Load:
    load = NOTHING
    for _ in range(number):
        load = load.plus(expected.load(prompt_characters=0, most=most))
    return load


def test_nothing_known_is_everything_possible() -> None:
    assert Expected(8_000).load(prompt_characters=400, most=8_000)[:3] == (1, 100, 8_000)
    assert together(Expected(8_000), 3, most=100).likely_output == 300


def test_the_sum_of_calls_under_way_is_hardly_ever_more_than_is_likely() -> None:
    random = Random(7)
    sizes = [round(50 * 160 ** (step / 23)) for step in range(24)]
    expected = learned(random.choices(sizes, k=200))
    for number in (1, 2, 5, 20, 100):
        likely = together(expected, number).likely_output
        longer = sum(sum(random.choices(sizes, k=number)) > likely for _ in range(2_000))
        assert longer <= 4, number
        assert likely <= number * 8_000


def test_many_calls_under_way_are_less_in_doubt_than_each_of_them() -> None:
    sizes = [round(50 * 160 ** (step / 23)) for step in range(24)]
    expected = learned(Random(7).choices(sizes, k=2_000))
    alone, many = together(expected, 1), together(expected, 100)
    assert many.likely_output / many.expected < 2 < alone.likely_output / alone.expected


def test_calls_that_are_all_alike_are_expected_to_be_so() -> None:
    assert together(learned([60] * 600), 50).likely_output < 50 * 66


def test_no_call_is_expected_to_take_more_than_it_may() -> None:
    assert together(learned([3_000] * 50), 1, most=200).likely_output == 200


def test_a_new_habit_is_learned_within_two_hundred_calls() -> None:
    assert 580 < learned([60] * 300 + [600] * 200).load(prompt_characters=0, most=8_000).expected <= 600


def test_how_many_characters_a_token_has_is_learned() -> None:
    expected = Expected(100)
    for _ in range(300):
        expected.ended(prompt_characters=1_000, input_tokens=500, output_tokens=10)
    assert 490 <= expected.load(prompt_characters=1_000, most=100).input <= 500
