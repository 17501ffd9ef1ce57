"""The filter as the life of a request uses it, and its terms as they change."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.filtering import free_text
from fanzgpt_workers.filtering.folding import Folding
from fanzgpt_workers.filtering.growing import releasable
from fanzgpt_workers.filtering.terms import TermFilter

LOOK_SECONDS: Final = 5.0


class TermsFilter:
    """Implements `ports.ContentFilter`: terms from settings, and from a file of one term a line that is read anew.

    A file that cannot be read any more leaves the terms as they were: what was blocked stays blocked.
    """

    def __init__(self, terms: Iterable[str], *, file: Path | None = None) -> None:
        """Compile; raises ConfigurationError for a file that cannot be read."""
        self._own = tuple(terms)
        self._file = file
        self._seen = self._stamp()
        self._folding = Folding()
        self._terms = TermFilter((*self._own, *self._read()), folding=self._folding)

    @property
    def size(self) -> int:
        """How many terms are blocked."""
        return self._terms.size

    def blocks_request(self, event: GenerationRequested) -> bool:
        """Whether something that was written into the request contains a blocked term."""
        terms = self._terms
        return bool(terms.size) and any(terms.blocks(text) for text in free_text.of_request(event))

    def blocks_answer(self, output: Mapping[str, JsonValue]) -> bool:
        """Whether the answer contains one."""
        terms = self._terms
        return bool(terms.size) and any(terms.blocks(text) for text in free_text.of_value(dict(output)))

    def releasable(self, text: str, released: int) -> int:
        """How much of a text that still grows may be shown; see `growing`."""
        return releasable(self._terms, text, released)

    async def follow(self, *, told: Callable[[int | ConfigurationError], None]) -> None:
        """Read the file again whenever it has changed, until cancelled; `told` of the new size or of what is wrong."""
        while self._file is not None:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                stamp = await asyncio.to_thread(self._stamp)
                if stamp == self._seen:
                    continue
                self._seen = stamp
                lines = await asyncio.to_thread(self._read)
                self._terms = TermFilter((*self._own, *lines), folding=self._folding)
            except ConfigurationError as error:
                told(error)
            else:
                told(self.size)

    def _stamp(self) -> tuple[int, int]:
        if self._file is None:
            return 0, 0
        try:
            status = self._file.stat()
        except OSError as error:
            raise _unreadable(self._file, error) from error
        return status.st_mtime_ns, status.st_size

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        try:
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(self._file, error) from error
        return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _unreadable(file: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"BLOCKED_TERMS_FILE={file} cannot be read as UTF-8 text: {error}")
