"""The SQL statements, by name: each is one file under `sql/`."""

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "sql"


def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
