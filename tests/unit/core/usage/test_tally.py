"""Money adds up exactly, and quantiles are near."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.usage.tally import Tally, bucket_of, dollars, merged, pico_dollars, value_of


@given(st.lists(st.decimals(0, 1_000, places=12).map(float), max_size=50))
def test_money_is_the_exact_sum_of_what_the_events_say(amounts: list[float]) -> None:
    exact = sum((Decimal(repr(each)) for each in amounts), Decimal(0))
    kept = sum(pico_dollars(each) for each in amounts)
    assert abs(Decimal(dollars(kept)) - exact) <= Decimal("5e-13") * len(amounts)
    assert all(pico_dollars(float(each)) == round(each * 10**12) for each in (Decimal("0.1"), Decimal("0.000245")))


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_one_percent(latencies: list[int], share: float) -> None:
    tally = merged(Tally(requests=1, latencies={bucket_of(each): 1}) for each in latencies)
    rank = max(1, -(-round(share * 100) * len(latencies) // 100))
    true = sorted(latencies)[rank - 1]
    found = tally.quantile(share)
    assert found is not None
    assert abs(found - true) <= 0.0101 * true


@given(st.integers(1, 10**9))
def test_a_bucket_stands_for_what_is_in_it(latency: int) -> None:
    assert abs(value_of(bucket_of(latency)) - latency) <= 0.0101 * latency


def test_no_latency_is_no_quantile() -> None:
    assert Tally().quantile(0.5) is None
