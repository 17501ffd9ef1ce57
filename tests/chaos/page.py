"""The verdict page: what was done to the system, and what it came to."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from tests.chaos.outcome import Outcome


def write(folder: Path, outcomes: Sequence[Outcome], *, at: datetime, brokers: int) -> None:
    """`verdict.md` and `verdict.json`, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "at": at.isoformat(),
        "brokers": brokers,
        "scenarios": [{**asdict(outcome), "verdict": outcome.verdict} for outcome in outcomes],
    }
    for name, text in (
        ("verdict.json", json.dumps(document, indent=1)),
        ("verdict.md", "\n".join(_page(outcomes, at=at, brokers=brokers))),
    ):
        draft = folder / f".{name}"
        draft.write_text(text + "\n")
        draft.replace(folder / name)


def _page(outcomes: Sequence[Outcome], *, at: datetime, brokers: int) -> Iterator[str]:
    kept = sum(outcome.verdict == "kept" for outcome in outcomes)
    yield "# What the system bore"
    yield ""
    yield (
        f"{kept} of {len(outcomes)} scenarios kept every promise; {at:%Y-%m-%d %H:%M} UTC, "
        f"{brokers} broker{'s' if brokers > 1 else ''}."
    )
    yield ""
    yield "Requests lost, second rows, phantom rows and differences between ledger and bill are misses, wherever they come from."
    yield "A scenario whose faults did not all happen is invalid."
    yield ""
    yield "| Scenario | Seed | Faults that fired | Requests | Calls | Unknown | In flight at faults | Longest standstill | Slowest recovery | Verdict |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for each in outcomes:
        fired = ", ".join(f"{number} × {fault}" for fault, number in each.fired.items())
        recovery = "-" if each.recovery_seconds is None else f"{each.recovery_seconds:.1f} s"
        yield (
            f"| {each.scenario} | {each.seed} | {fired} | {each.counts.get('requests', '-')} "
            f"| {each.counts.get('calls', '-')} | {each.counts.get('outcomes unknown', '-')} "
            f"| {each.counts.get('calls in flight at faults', '-')} | {each.standstill_seconds:.1f} s | {recovery} "
            f"| {each.verdict} |"
        )
    if any(each.notes for each in outcomes):
        yield ""
        yield "| Scenario | Figure | Value |"
        yield "|---|---|---|"
        for each in outcomes:
            yield from (f"| {each.scenario} | {name} | {value:g} |" for name, value in each.notes.items())
    for each in outcomes:
        if each.misses:
            yield ""
            yield f"## {each.scenario}"
            yield ""
            yield from (f"- {miss}" for miss in each.misses)
