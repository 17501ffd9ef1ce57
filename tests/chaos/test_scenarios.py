"""Each way to die, small: nothing is lost, nothing is there twice, and the ledger is the provider's bill.

`make chaos` runs the same scenarios at their full size.
"""

from pathlib import Path

from tests.chaos.outcome import Outcome
from tests.chaos.scenarios import away, crashes, provider, records, workers

from fanzgpt_stack.servers import StackServers

SEED = 1


def kept(outcome: Outcome) -> None:
    assert outcome.verdict == "kept", "\n".join(
        [*outcome.misses, f"counts: {outcome.counts}", f"fired: {outcome.fired}"]
    )


def test_a_worker_may_die_at_every_point_of_a_request(victims: StackServers, tmp_path: Path) -> None:
    kept(crashes.generation(victims, tmp_path, seed=SEED, requests=30))


def test_a_sink_may_die_at_every_point_of_a_batch(victims: StackServers, tmp_path: Path) -> None:
    kept(crashes.sinks(victims, tmp_path, seed=SEED, requests=30, names=("history-sink", "preferences-sink")))


def test_workers_may_be_killed_at_any_instant(victims: StackServers, tmp_path: Path) -> None:
    kept(workers.kills(victims, tmp_path, seed=SEED, requests=600, kills=3))


def test_a_worker_that_wakes_up_in_the_past_changes_nothing(victims: StackServers, tmp_path: Path) -> None:
    kept(workers.zombies(victims, tmp_path, seed=SEED, requests=200, rounds=1, stopped_seconds=8))


def test_postgresql_may_crash_and_restart(victims: StackServers, tmp_path: Path) -> None:
    kept(away.database_restarts(victims, tmp_path, seed=SEED, requests=400, restarts=2, every=(0.5, 2)))


def test_a_broker_may_crash_and_restart(victims: StackServers, tmp_path: Path) -> None:
    kept(away.broker_bounces(victims, tmp_path, seed=SEED, requests=400, rounds=1))


def test_a_provider_may_do_what_it_likes_and_the_retry_table_holds(victims: StackServers, tmp_path: Path) -> None:
    kept(provider.scripted(victims, tmp_path, seed=SEED, each=1))


def test_poison_on_every_topic_is_kept_once_and_stops_nobody(victims: StackServers, tmp_path: Path) -> None:
    kept(records.poison(victims, tmp_path, seed=SEED, requests=250, one_in=50))


def test_all_topics_read_again_change_no_row_and_cost_nothing(victims: StackServers, tmp_path: Path) -> None:
    kept(records.replay(victims, tmp_path, seed=SEED, requests=250))
