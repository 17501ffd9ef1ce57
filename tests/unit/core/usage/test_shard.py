"""Windows of usage are a function of the log: whatever was kept, moved or read again in between."""

from dataclasses import replace
from hashlib import sha1

from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.core.usage.keeping import Kept, Restoring, TableRecord
from fanzgpt_workers.core.usage.shard import Shard
from fanzgpt_workers.core.usage.windows import Anomaly, Cut, Usage, Window

CUT = Cut(pane_ms=1_000, panes=3, lateness_ms=2_000, settled_windows=10)
Place = tuple[str, tuple[str, str], int]


def usage(number: int, at_ms: int, **known: object) -> Usage:
    made = Usage(
        event_id=sha1(b"%d" % number, usedforsecurity=False).digest()[:16],
        at_ms=at_ms,
        user=f"u-{number % 3}",
        type="social-post",
        provider="openai",
        model="gpt-4o-mini",
        failed=number % 4 == 0,
        cached=False,
        input_tokens=number,
        output_tokens=1,
        cost_pico=10**12 // 3,
        latency_ms=100 + number,
    )
    return replace(made, **known)  # type: ignore[arg-type]  # fields by name


logs = st.lists(st.tuples(st.integers(0, 30), st.integers(-3_000, 3_000)), min_size=1, max_size=60).map(
    lambda steps: [usage(number, max(0, 10_000 + at * 250 + jitter)) for at, (number, jitter) in enumerate(steps)]
)


def told(windows: dict[Place, Window], given: tuple[Window, ...]) -> None:
    for each in given:
        place = (each.kind, each.key, each.end_ms)
        assert windows.setdefault(place, each) == each, "a window was told twice with other figures"


def undisturbed(log: list[Usage]) -> dict[Place, Window]:
    windows: dict[Place, Window] = {}
    shard = Shard(cut=CUT)
    for offset, each in enumerate(log):
        shard.apply(offset, each)
        closing = shard.closing(shard.boundary)
        if closing:
            told(windows, closing.windows)
            shard.close(closing.upto)
    return windows


class Table:
    """A changelog that a process may die over at any record."""

    def __init__(self) -> None:
        self.log: list[TableRecord] = []

    def restored(self) -> Kept:
        restoring = Restoring()
        for record in self.log:
            restoring.add(*record)
        return restoring.restored(CUT)


@given(log=logs, chance=st.randoms(use_true_random=False))
def test_kills_at_any_record_of_a_keeping_change_no_window(log: list[Usage], chance: object) -> None:
    random = chance.random  # type: ignore[attr-defined]  # hypothesis's own Random
    table, windows = Table(), dict[Place, Window]()
    committed, kills = 0, 0
    while True:
        kept = table.restored()
        died = False
        for offset in range(committed, len(log)):
            if kept.shard.apply(offset, log[offset]) == "counted":
                kept.counted(log[offset])
            if offset < len(log) - 1 and random() < 0.7:
                continue
            records = [*kept.changes(), kept.progress()]
            upto = kept.shard.boundary
            dies = kills < 8 and random() < 0.5
            cut = int(random() * (len(records) + 1)) if dies else len(records)
            table.log += records[:cut]
            if cut < len(records):
                died = True
                break
            closing = kept.shard.closing(upto)
            if closing:
                told(windows, closing.windows)
                after = [*kept.baselines(upto)]
                gone = kept.close(upto)
                after += [kept.progress(), *gone]
                cut = int(random() * (len(after) + 1)) if dies else len(after)
                table.log += after[:cut]
            if dies:
                died = True
                break
            committed = offset + 1
        if not died:
            break
        kills += 1
    assert windows == undisturbed(log)


@given(log=logs)
def test_a_table_read_from_its_beginning_is_the_shard_that_wrote_it(log: list[Usage]) -> None:
    table, kept = Table(), Restoring().restored(CUT)
    for offset, each in enumerate(log):
        if kept.shard.apply(offset, each) == "counted":
            kept.counted(each)
        table.log += [*kept.changes(), kept.progress()]
        closing = kept.shard.closing(kept.shard.boundary)
        if closing:
            upto = closing.upto
            table.log += kept.baselines(upto)
            gone = kept.close(upto)
            table.log += [kept.progress(), *gone]
    again = table.restored().shard
    assert {end: pane for end, pane in again.panes.items() if pane} == kept.shard.panes
    assert {end: ids for end, ids in again.ids.items() if ids} == {
        end: ids for end, ids in kept.shard.ids.items() if ids
    }
    assert (again.offset, again.newest, again.closed, again.late) == (
        kept.shard.offset,
        kept.shard.newest,
        kept.shard.closed,
        kept.shard.late,
    )
    assert again.baselines == kept.shard.baselines


def test_the_same_event_counts_once_and_one_that_comes_too_late_not_at_all() -> None:
    shard = Shard(cut=CUT)
    assert shard.apply(0, usage(1, 5_500)) == "counted"
    assert shard.apply(1, usage(1, 5_500)) == "duplicate"
    assert shard.apply(1, usage(1, 5_500)) == "replayed"
    assert shard.apply(2, usage(2, 9_000)) == "counted"
    assert shard.apply(3, usage(3, 5_900)) == "late"
    assert shard.panes[6_000]["user", "u-1"].requests == 1
    assert shard.late == 1


def test_time_that_passes_without_events_makes_windows_final() -> None:
    shard = Shard(cut=CUT)
    shard.apply(0, usage(1, 5_500))
    assert shard.closing(shard.boundary) is None
    assert shard.advance(20_000)
    closing = shard.closing(shard.boundary)
    assert closing is not None
    ends = [each.end_ms for each in closing.windows if each.key == ("user", "u-1") and each.kind == "hopping"]
    assert ends == [6_000, 7_000, 8_000]


def spending(shard: Shard, windows: int, pico: int, begin: int = 0) -> list[Anomaly]:
    found: list[Anomaly] = []
    for number in range(begin, begin + windows):
        shard.apply(number, usage(number, number * 1_000, user="u", cost_pico=pico, failed=False))
        closing = shard.closing(shard.boundary)
        if closing:
            found += closing.anomalies
            shard.close(closing.upto)
    return found


def test_spending_far_above_ones_own_normal_is_told_and_does_not_become_the_normal_at_once() -> None:
    shard = Shard(cut=CUT)
    assert spending(shard, 30, 10**10) == []
    jump = spending(shard, 6, 50 * 10**10, begin=30)
    assert {each.measure for each in jump} == {"spend"}
    first = next(each for each in jump if each.key == ("user", "u"))
    assert (first.end_ms, first.measured) == (31_000, 0.5)
    assert abs(first.normal - 0.01) < 1e-9
    assert len([each for each in jump if each.key == ("user", "u")]) >= 2


def test_a_failure_or_two_is_no_anomaly() -> None:
    shard = Shard(cut=CUT)
    spending(shard, 30, 0)
    for offset in range(30, 34):
        shard.apply(offset, usage(1_000 + offset, 30_100, user="u", failed=True, cost_pico=0))
    shard.advance(60_000)
    closing = shard.closing(shard.boundary)
    assert closing is not None
    assert closing.anomalies == ()
