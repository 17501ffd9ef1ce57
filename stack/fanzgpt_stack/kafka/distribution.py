"""Kafka's jars: fetched once per user with Maven, by a pom that fixes their versions."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from fanzgpt_stack.errors import MissingPart
from fanzgpt_stack.folders import cache, held
from fanzgpt_stack.kafka.java import Java, find_java

VERSION: Final = "4.3.1"

_INSTALL_MAVEN: Final = {
    "apt-get": "apt-get install -y --no-install-recommends maven",
    "dnf": "dnf install -y maven",
    "apk": "apk add maven",
    "pacman": "pacman -S maven",
    "brew": "brew install maven",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Kafka's jars and the Java to run them with."""

    jars: Path
    java: Java

    @property
    def classpath(self) -> str:
        """Every jar by name and in order: a class archive is valid for one exact path."""
        return os.pathsep.join(str(jar) for jar in sorted(self.jars.glob("*.jar")))

    @property
    def class_archive(self) -> Path:
        """Where the classes that a broker loads are kept ready for this Java; starts then take half the time."""
        return self.jars / f"java-{self.java.version}.jsa"


def obtain(environ: Mapping[str, str], *, tell: Callable[[str], None]) -> Distribution:
    """The distribution, fetched if this user has none yet; says so through `tell`, for it may take a minute.

    Raises MissingPart if Java or Maven is missing, or if Maven cannot fetch.
    """
    java = find_java(environ)
    jars = _jars(environ)
    if not jars.is_dir():
        with held(jars.with_name(f"{jars.name}.lock")):
            if not jars.is_dir():
                tell(f"fetching Apache Kafka {VERSION} into {jars} (44 MB, once)")
                _fetch(jars, java=java, environ=environ)
    return Distribution(jars=jars, java=java)


def keep_class_archive(written: Path, environ: Mapping[str, str]) -> None:
    """Move an archive that a broker wrote when it ended to where `obtain` will find it, if the jars are still there."""
    jars = _jars(environ)
    if jars.is_dir():
        draft = jars / f"{written.name}.{os.getpid()}"
        shutil.move(written, draft)
        draft.replace(jars / written.name)


def _jars(environ: Mapping[str, str]) -> Path:
    return cache(environ) / f"kafka-{VERSION}"


def _fetch(jars: Path, *, java: Java, environ: Mapping[str, str]) -> None:
    maven = shutil.which("mvn", path=environ.get("PATH"))
    if maven is None:
        raise MissingPart(
            f"Apache Kafka {VERSION} is fetched with Maven, once, and `mvn` is not on PATH. Install it:\n  "
            + next(
                (how for tool, how in _INSTALL_MAVEN.items() if shutil.which(tool)),
                "Apache Maven, with your system's packages",
            )
        )
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix=f"{jars.name}.") as parts:
        pom = Path(parts) / "pom.xml"
        pom.write_bytes(files("fanzgpt_stack.kafka").joinpath("pom.xml").read_bytes())
        fetched = Path(parts) / "jars"
        done = subprocess.run(  # noqa: S603  # our own words only
            [
                *(maven, "--batch-mode", "--quiet", "--file", str(pom), "dependency:copy-dependencies"),
                *(f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"),
            ],
            env={"JAVA_HOME": str(java.home), **environ},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            said = "\n".join(f"  | {line}" for line in (done.stdout + done.stderr).splitlines()[-12:])
            raise MissingPart(
                f"Maven could not fetch Apache Kafka {VERSION}:\n{said}\n"
                "  what to do: is there a network, or a mirror in ~/.m2/settings.xml? Then run the same command again"
            )
        # Only a whole set of jars ever has the final name.
        fetched.rename(jars)
