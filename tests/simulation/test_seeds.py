"""Workers, sinks and ledger under two thousand schedules: each seed is one, and fails the same way every time.

SIMULATION_SEEDS=N runs so many, SIMULATION_SEED=N only that one, with its history.
"""

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from tests.simulation.seeds import digest_of, faults_of

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "2000"))
ONLY = os.environ.get("SIMULATION_SEED")
BLOCK = 25
FAULTS = (
    "kills",
    "stops",
    "freezes",
    "expulsions",
    "jumps",
    "losses of the database",
    "losses of the kafka",
    "losses of the provider",
)


@pytest.mark.timeout(max(300, SEEDS / 5))
def test_every_promise_is_kept_in_every_schedule() -> None:
    if ONLY is not None:
        wrong, _ = faults_of(range(int(ONLY), int(ONLY) + 1))
        assert not wrong, wrong[0]
        return
    blocks = [range(first, min(first + BLOCK, SEEDS)) for first in range(0, SEEDS, BLOCK)]
    fired = Counter[str]()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        for wrong, hurt in processes.map(faults_of, blocks):
            assert not wrong, wrong[0]
            fired.update(hurt)
    # A run in which nothing was hurt shows nothing.
    assert not [fault for fault in FAULTS if fired[fault] < SEEDS / 10]


def test_a_seed_is_one_schedule_in_every_process() -> None:
    """Whatever a process draws for its own hashes."""
    seeds = range(1, 7)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as first,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as second,
    ):
        assert list(first.map(digest_of, seeds)) == list(second.map(digest_of, seeds))
