"""The pages that explain say what the code does: states, reasons, outcomes, verdicts, terms and promises."""

import re
from typing import Final, get_args

from tests.architecture.documents import ROOT, Page

from fanzgpt_schemas.generation import REASONS
from fanzgpt_workers import errors
from fanzgpt_workers.core.attempts import OUTCOMES
from fanzgpt_workers.core.claims import Verdict
from fanzgpt_workers.core.endings import EndState
from fanzgpt_workers.core.retry import UNBILLED, RetryPolicy
from fanzgpt_workers.generation import DUPLICATE_TAKEOVER_SECONDS
from fanzgpt_workers.lifecycle.answering import STATE_OF

EXPLANATION: Final = ROOT / "docs" / "explanation"
LIFE: Final = Page(EXPLANATION / "life-of-a-request.md")
PROMISES: Final = Page(EXPLANATION / "promises.md")
GLOSSARY: Final = Page(EXPLANATION / "glossary.md")
LEDGER_SQL: Final = ROOT / "workers/fanzgpt_workers/stores/migrations/sql/0002_ledger.sql"
NO_ROW: Final = frozenset({"invalid", "conflict"})
"""Reasons that end no request of the ledger: there is none, or it goes on."""


def rows(page: Page, heading: str) -> dict[str, list[str]]:
    """The table under a heading: the first cell, bare, and the others."""
    section = re.split(r"^## ", page.text, flags=re.MULTILINE)
    [body] = [part for part in section if part.startswith(f"{heading}\n")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line[:1] == "|"]
    return {first.strip("`"): others for first, *others in cells[2:]}


def arrows() -> dict[tuple[str, str], str]:
    """The arrows of the state diagram, with what stands on them."""
    [diagram] = [block for block in LIFE.blocks("mermaid") if block.startswith("stateDiagram")]
    found = re.findall(r"^ +(\S+) --> (\S+?)(?:: (.+))?$", diagram, re.MULTILINE)
    return {(begin, end): label for begin, end, label in found}


def test_the_diagram_has_the_states_of_the_code_and_of_the_table() -> None:
    drawn = {state for arrow in arrows() for state in arrow} - {"[*]"}
    assert drawn == {"claimed", *get_args(EndState)}
    [allowed] = re.findall(r"CHECK \(state IN \(([^)]*)\)\)", LEDGER_SQL.read_text())
    assert {state.strip(" '") for state in allowed.split(",")} == drawn


def test_every_ending_is_final_and_is_reached_from_a_claim() -> None:
    for state in get_args(EndState):
        assert ("claimed", state) in arrows()
        assert [end for begin, end in arrows() if begin == state] == ["[*]"]


def test_each_reason_stands_on_the_arrow_to_its_state() -> None:
    for reason in set(REASONS) - NO_ROW:
        label = arrows()["claimed", STATE_OF.get(reason, "failed")]
        assert reason in label.split(", ")


def test_every_reason_is_explained() -> None:
    assert list(rows(LIFE, "Why there is no answer")) == list(REASONS)


def test_every_outcome_is_explained_with_its_price_and_its_retries() -> None:
    told = rows(LIFE, "What becomes of a call")
    assert list(told) == list(OUTCOMES)
    known = {
        each.outcome: each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.ProviderError) and each is not errors.ProviderError
    }
    for outcome, error in known.items():
        _, billed, again = told[outcome]
        assert (billed == "yes") == error.maybe_billed, outcome
        assert again.startswith("yes") == error.retryable, outcome
    assert {outcome for outcome, (_, billed, again) in told.items() if billed == "no" and again != "no"} == UNBILLED


def test_every_verdict_on_a_claim_is_explained() -> None:
    assert set(rows(LIFE, "What the ledger answers to a claim")) == {each.__name__ for each in get_args(Verdict)}


def test_the_figures_are_the_codes() -> None:
    policy = RetryPolicy()
    text = " ".join(LIFE.text.split())
    assert f"silent for {DUPLICATE_TAKEOVER_SECONDS:g} s" in text
    assert f"up to {policy.unbilled_attempts} times" in text
    assert f"grow from {policy.base:g} s to {policy.ceiling:g} s" in text


def test_every_promise_names_its_mechanism_its_tests_and_its_limit() -> None:
    promises = re.split(r"^## ", PROMISES.text, flags=re.MULTILINE)[1:]
    assert len(promises) >= 7
    for promise in promises:
        title = promise.splitlines()[0]
        for part in ("**How.**", "**Shown by**", "**Not promised.**"):
            assert part in promise, f"{title}: {part}"
        assert re.search(r"`tests/[\w/]+\.py::test_\w+`", promise), title


def test_every_promise_of_the_readme_is_one_of_the_page() -> None:
    linked = re.findall(r"\(docs/explanation/promises\.md#([\w-]+)\)", (ROOT / "README.md").read_text())
    assert linked
    assert set(linked) <= PROMISES.anchors()


def test_terms_are_in_order_and_each_says_where_it_lives() -> None:
    terms = re.findall(r"^\*\*(.+?)\*\* (.*)$", GLOSSARY.text, re.MULTILINE)
    names = [name for name, _ in terms]
    assert len(names) >= 25
    assert names == sorted(names, key=str.lower)
    assert [name for name, told in terms if "`" not in told.split(". ")[0] and "`" not in told] == []
