"""Metrics: the contract's names and buckets, bounded series, cheap recording."""

import time

from prometheus_client.parser import text_string_to_metric_families

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.core.origin import Partition
from fanzgpt_workers.observability.families import SERIES_LIMIT
from fanzgpt_workers.observability.metrics import EngineState, Metrics, PartitionLag


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.scrape().decode())
        for sample in family.samples
    }


def test_the_contracts_metrics_have_its_names_labels_and_buckets() -> None:
    metrics = Metrics()
    metrics.generation_ended("social-post", "completed", 1.5)
    metrics.tokens_used("openai", "gpt-4o-mini", Usage(input=100, output=20, cache_read=60), 0.001)
    found = samples(metrics)
    assert found["fanzgpt_generations_total", (("status", "completed"), ("type", "social-post"))] == 1
    assert found["fanzgpt_tokens_used_total", (("model", "gpt-4o-mini"), ("provider", "openai"))] == 120
    prompt = {
        cache: found[
            "fanzgpt_prompt_tokens_total", (("cache", cache), ("model", "gpt-4o-mini"), ("provider", "openai"))
        ]
        for cache in ("none", "read")
    }
    assert prompt == {"none": 40, "read": 60}
    buckets = [dict(labels)["le"] for name, labels in found if name == "fanzgpt_generation_duration_seconds_bucket"]
    assert buckets == ["0.1", "0.5", "1.0", "2.0", "5.0", "10.0", "30.0", "+Inf"]


def test_no_metric_is_labelled_with_a_user_or_a_request() -> None:
    for name, _, labels, text in Metrics().catalogue():
        assert name.startswith("fanzgpt_")
        assert text.endswith(".")
        assert not {"user", "user_id", "userId", "request", "request_id"} & set(labels)


def test_a_model_without_a_price_costs_nothing_and_is_counted() -> None:
    metrics = Metrics()
    metrics.tokens_used("openai", "own-model", Usage(input=8, output=2), None)
    found = samples(metrics)
    labels = (("model", "own-model"), ("provider", "openai"))
    assert ("fanzgpt_cost_usd_total", labels) not in found
    assert found["fanzgpt_unpriced_attempts_total", labels] == 1


def test_names_that_callers_choose_do_not_grow_memory_without_bound() -> None:
    metrics = Metrics()
    for number in range(SERIES_LIMIT + 50):
        metrics.tokens_used("openai", f"model-{number}", Usage(input=1, output=0), 0.0)
    found = samples(metrics)
    assert found["fanzgpt_tokens_used_total", (("model", "other"), ("provider", "other"))] == 50
    assert sum(name == "fanzgpt_tokens_used_total" for name, _ in found) == SERIES_LIMIT + 1


def test_partitions_that_are_gone_are_not_scraped_as_if_they_were_there() -> None:
    metrics = Metrics()
    state = EngineState(
        in_flight=3,
        oldest_seconds=1.5,
        buffered_records=7,
        buffered_bytes=900,
        waiting={"lane": 2},
        commit_gaps={Partition("asked", 0): 4, Partition("asked", 1): 0},
    )
    metrics.engine_state(state)
    metrics.engine_state(
        EngineState(
            in_flight=0,
            oldest_seconds=0,
            buffered_records=0,
            buffered_bytes=0,
            waiting={},
            commit_gaps={Partition("asked", 1): 2},
        )
    )
    found = samples(metrics)
    assert found["fanzgpt_commit_gap_records", (("partition", "1"), ("topic", "asked"))] == 2
    assert not any(name == "fanzgpt_waiting_requests" for name, _ in found)
    assert sum(name == "fanzgpt_commit_gap_records" for name, _ in found) == 1


def test_lag_is_told_in_records_and_in_seconds() -> None:
    metrics = Metrics()
    metrics.consumer_lags([PartitionLag(group="g", partition=Partition("t", 3), records=12, seconds=4.5)])
    labels = (("group", "g"), ("partition", "3"), ("topic", "t"))
    assert samples(metrics)["fanzgpt_consumer_lag_records", labels] == 12
    assert samples(metrics)["fanzgpt_consumer_lag_seconds", labels] == 4.5


def test_states_are_asked_for_when_somebody_scrapes() -> None:
    metrics, asked = Metrics(), []
    metrics.before_scrape(lambda: asked.append(1))
    assert not asked
    metrics.scrape()
    assert asked == [1]


def test_two_in_one_interpreter_never_meet() -> None:
    first, second = Metrics(), Metrics()
    first.dead_lettered("t", "invalid")
    assert not any(name == "fanzgpt_dead_letters_total" for name, _ in samples(second))


def test_recording_costs_microseconds() -> None:
    metrics, times = Metrics(), 2_000
    best = min(_recording(metrics, times) for _ in range(5))
    # 1.6 us for the two observations of an ending where this was written; the bound leaves room for a busy machine.
    assert best < 20e-6


def _recording(metrics: Metrics, times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        metrics.generation_ended("social-post", "completed", 1.3)
    return (time.perf_counter() - began) / times
