"""What a page of the documentation states in its tables, for the tests that hold it."""

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def table(page: str, heading: str) -> list[tuple[str, ...]]:
    """The cells of the table under a heading, row by row, without its head; code marks are taken off.

    Raises KeyError where the page has no such heading.
    """
    sections = {
        title.strip(): body
        for title, _, body in (section.partition("\n") for section in _text(page).split("\n## ")[1:])
    }
    lines = [line for line in sections[heading].splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").replace("`", "").split("|")) for line in lines[2:]]


def _text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")
