"""Workers, sinks and ledger under two thousand schedules: each seed is one, and fails the same way every time.

SIMULATION_SEEDS=N runs so many, SIMULATION_SEED=N only that one, with its history.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.seeds import faults_of, lived

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "2000"))
ONLY = os.environ.get("SIMULATION_SEED")
BLOCK = 50


def test_every_promise_is_kept_in_every_schedule() -> None:
    if ONLY is not None:
        wrong, _, _ = faults_of(range(int(ONLY), int(ONLY) + 1))
        assert not wrong, wrong[0]
        return
    blocks = [range(first, min(first + BLOCK, SEEDS)) for first in range(0, SEEDS, BLOCK)]
    kills = freezes = 0
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        for wrong, killed, frozen in processes.map(faults_of, blocks):
            assert not wrong, wrong[0]
            kills, freezes = kills + killed, freezes + frozen
    # A run in which nothing was hurt shows nothing.
    assert kills > SEEDS
    assert freezes > SEEDS / 10


def test_a_seed_is_one_schedule() -> None:
    first, second = lived(7), lived(7)
    assert first.history == second.history
    assert first.bill == second.bill
