from pathlib import Path

import pytest

from fanzgpt_stack.errors import MissingPart
from fanzgpt_stack.kafka.distribution import obtain
from fanzgpt_stack.kafka.java import find_java


def runtime(folder: Path, version: str, *, release_file: bool = True) -> Path:
    """Something that looks like a Java of that version; returns its home."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '    java.version = {version}' >&2\n")
    program.chmod(0o755)
    if release_file:
        (folder / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.mark.parametrize("release_file", [True, False])
def test_the_java_of_the_machine_is_taken_if_it_is_recent(tmp_path: Path, release_file: bool) -> None:
    home = runtime(tmp_path / "jdk", "21.0.2", release_file=release_file)
    java = find_java({"JAVA_HOME": str(home), "PATH": ""})
    assert (java.home, java.version) == (home, "21.0.2")


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22", "16.0.1"])
def test_one_that_is_too_old_is_passed_over_for_the_wheels_own(tmp_path: Path, version: str) -> None:
    java = find_java({"JAVA_HOME": str(runtime(tmp_path / "jdk", version)), "PATH": ""})
    assert int(java.version.split(".")[0]) >= 25


def test_without_maven_it_says_what_to_install(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(MissingPart, match="`mvn` is not on PATH. Install it"):
        obtain({"FANZGPT_CACHE": str(tmp_path), "PATH": ""}, tell=told.append)
    assert len(told) == 1
    assert not (tmp_path / "kafka-4.3.1").exists()


def test_what_maven_could_not_fetch_leaves_no_half_set_of_jars(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "mvn"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'Network is unreachable'\nexit 1\n")
    broken.chmod(0o755)
    cache = tmp_path / "cache"
    with pytest.raises(MissingPart, match="Network is unreachable"):
        obtain({"FANZGPT_CACHE": str(cache), "PATH": str(broken.parent)}, tell=lambda _: None)
    assert [path.name for path in cache.iterdir()] == ["kafka-4.3.1.lock"]
