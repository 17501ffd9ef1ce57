"""Decisions have one form, so that a reader finds in each what it was decided against, and what it does not cover."""

import re
from typing import Final

import pytest
from tests.architecture.documents import ROOT, Page, slug

FOLDER: Final = ROOT / "docs" / "decisions"
HEADINGS: Final = ("Context", "Decision", "Alternatives", "Consequences", "Not covered")
DECISIONS: Final = tuple(Page(path) for path in sorted(FOLDER.glob("[0-9]*.md")))

every_decision = pytest.mark.parametrize("decision", DECISIONS, ids=lambda page: page.path.stem[:4])


def title(decision: Page) -> str:
    first, *_ = decision.text.splitlines()
    return first.removeprefix("# ")


@every_decision
def test_it_is_called_after_its_sentence(decision: Page) -> None:
    number, _, name = decision.path.stem.partition("-")
    assert name == slug(title(decision).replace("'", ""))
    assert len(title(decision).split()) >= 5, "a sentence says what was decided; a noun only names the subject"
    assert number.isdecimal()


@every_decision
def test_it_says_why_what_else_and_what_not(decision: Page) -> None:
    sections = re.split(r"^## ", decision.text, flags=re.MULTILINE)[1:]
    found = {name: body.strip() for name, _, body in (section.partition("\n") for section in sections)}
    assert tuple(found) == HEADINGS
    assert all(found.values())


@every_decision
def test_it_has_a_date(decision: Page) -> None:
    assert re.search(r"^Accepted \d{4}-\d\d-\d\d\.$", decision.text, re.MULTILINE)


def test_numbers_leave_no_gap() -> None:
    assert [page.path.stem[:4] for page in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]


def test_the_list_names_every_decision_by_its_sentence() -> None:
    listed = re.findall(r"^\| (\d{4}) \| \[(.+?)\]\((.+?)\) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert listed == [(page.path.stem[:4], title(page), page.path.name) for page in DECISIONS]
