"""What no reader may meet: nesting too deep to write again, and text that PostgreSQL can never hold."""

from typing import Final

from fanzgpt_schemas.errors import NotAnEvent, NotJson, Violation
from fanzgpt_schemas.violations import shown

DEEPEST: Final = 64  # orjson reads 1,024 levels but writes only 254, pydantic checks fewer; nobody sends ten
_NUL: Final = "\0"
_NUL_ESCAPED: Final = b"\\u0000"


def refuse_unstorable(value: bytes, data: object) -> None:
    """Look through `data`, the reading of the JSON text `value`, where the text gives a reason to.

    Raises:
        NotJson: it is nested more than 64 levels deep.
        NotAnEvent: a string in it, key or value, holds U+0000.
    """
    if value.count(b"[") + value.count(b"{") > DEEPEST or _NUL_ESCAPED in value:
        look_through(data)


def look_through(data: object) -> None:
    """The same, always looking. Also for values that were built in Python; models are left to whoever dumps them."""
    branches: list[tuple[str, int, object]] = [("", 1, data)]
    while branches:
        path, depth, branch = branches.pop()
        if isinstance(branch, str):
            if _NUL in branch:
                raise NotAnEvent((Violation(field=path or "(value)", reason="holds U+0000, which cannot be stored"),))
        elif isinstance(branch, dict | list | tuple):
            if depth > DEEPEST:
                raise NotJson((Violation(field=shown(path), reason=f"nested more than {DEEPEST} levels deep"),))
            if isinstance(branch, dict):
                branches.extend((_joined(path, key), depth + 1, key) for key in branch if _NUL in str(key))
                inside = branch.items()
            else:
                inside = dict(enumerate(branch)).items()
            branches.extend(
                (_joined(path, key), depth + 1, leaf)
                for key, leaf in inside
                if isinstance(leaf, str | dict | list | tuple)
            )


def _joined(path: str, key: object) -> str:
    return f"{path}.{shown(str(key))}" if path else shown(str(key))
