from pathlib import Path
from threading import Thread

import pytest

from fanzgpt_stack.errors import StackError
from fanzgpt_stack.folders import cache, held, made, make_once, remove


class Cut(Exception):
    """The machine went off in the middle."""


def fill(folder: Path) -> None:
    (folder / "data").write_text("whole")


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    make_once(folder, fill, note="first")
    make_once(folder, lambda _: pytest.fail("it was made already"), note="second")
    assert made(folder) == "first"


def test_a_half_written_folder_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"

    def breaks_off(folder: Path) -> None:
        (folder / "half").write_text("hal")
        raise Cut

    with pytest.raises(Cut):
        make_once(folder, breaks_off, note="first")
    assert made(folder) is None

    make_once(folder, fill, note="second")
    assert sorted(path.name for path in folder.iterdir()) == [".made", "data"]


def test_a_removal_that_is_cut_short_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "postgres"
    make_once(folder, fill, note="first")

    def cut(_: Path) -> None:
        raise Cut

    monkeypatch.setattr("shutil.rmtree", cut)
    with pytest.raises(Cut):
        remove(folder)
    assert made(folder) is None


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with held(tmp_path / ".lock"):
            order.append("second")

    with held(tmp_path / ".lock"):
        waiting = Thread(target=second)
        waiting.start()
        waiting.join(0.05)
        order.append("first")
    waiting.join(5)
    assert order == ["first", "second"]


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StackError, match="file cannot be written .*choose another folder with --home"),
        held(tmp_path / "file" / ".lock"),
    ):
        pass


def test_the_cache_is_where_the_person_says_else_where_caches_are() -> None:
    assert cache({"FANZGPT_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache({"XDG_CACHE_HOME": "/b"}) == Path("/b/fanzgpt")
    assert cache({}) == Path.home() / ".cache" / "fanzgpt"
