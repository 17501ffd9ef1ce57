"""The stack's object store: a folder of its own, and the key that its links are signed with."""

import os
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import Final

FOLDER: Final = "media"
_KEY: Final = "signing-key"


def media_folder(home: Path) -> Mapping[str, str]:
    """The variables that lead to it; made where it is not there yet. The key stays: links outlive a stack."""
    folder = home / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    objects, key = folder / "objects", folder / _KEY
    objects.mkdir(exist_ok=True)
    if not key.exists():
        draft = folder / f".{_KEY}.{os.getpid()}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as into:
            into.write(token_hex(32))
        draft.replace(key)
    return {"OBJECT_STORE_URL": objects.as_uri(), "MEDIA_SIGNING_KEY": key.read_text().strip()}
