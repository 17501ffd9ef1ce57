"""What is written for people, taken apart: code blocks, code in lines, links, headings."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_SUBSTITUTION: Final = re.compile(r"\$\(([^)]*)\)")
_OPERATORS: Final = frozenset("|&;()<>")
SHELLS: Final = frozenset({"console", "sh", "bash", "shell"})


@dataclass(frozen=True, slots=True)
class Page:
    """One Markdown page."""

    path: Path

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        """As it is."""
        return self.path.read_text()

    @property
    def prose(self) -> str:
        """The text without its code blocks."""
        return _FENCE.sub("", self.text)

    def blocks(self, *languages: str) -> list[str]:
        """The code blocks in one of these languages."""
        return [code for language, code in _FENCE.findall(self.text) if language in languages]

    def spans(self) -> list[str]:
        """The code that stands in lines of text; in a table a bar is written with a backslash."""
        return [span.replace("\\|", "|") for span in _SPAN.findall(self.prose)]

    def links(self) -> list[str]:
        """Where links lead that stay within the project."""
        targets = _LINK.findall(_SPAN.sub("", self.prose))
        return [target for target in targets if not re.match(r"[a-z]+:", target)]

    def anchors(self) -> frozenset[str]:
        """What a link may point at within the page."""
        return frozenset(anchor(heading) for heading in _HEADING.findall(self.prose))

    def shell_commands(self) -> Iterator[list[str]]:
        """The command lines of its shell blocks, each as its words."""
        for block in self.blocks(*SHELLS):
            for line in block.replace("\\\n", " ").splitlines():
                for part in (_SUBSTITUTION.sub("_", line), *_SUBSTITUTION.findall(line)):
                    yield from _commands(part.strip().removeprefix("$ "))


@cache
def pages() -> tuple[Page, ...]:
    """Every page of ours, whether committed yet or not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(Page(path) for path in sorted(paths) if path.is_file())


def anchor(heading: str) -> str:
    """The anchor that a forge gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def slug(title: str) -> str:
    """A title as a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= _OPERATORS:
            if words:
                yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words
