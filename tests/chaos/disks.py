"""Small disks under chosen servers of a stack, which can be filled up: ext4 in a file, mounted, so root alone may."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fanzgpt_stack.servers import StackServers
from fanzgpt_stack.testing import running_stack

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Disk:
    """One server's."""

    folder: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is left on it for the block."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(self.folder).free - _CHUNK))
                file.seek(0, os.SEEK_END)
            with suppress(OSError):
                while True:
                    file.write(b"\0" * _CHUNK)
        try:
            yield
        finally:
            filler.unlink()


@contextmanager
def stack_on_small_disks(home: Path, mib: Mapping[str, int]) -> Iterator[tuple[StackServers, Mapping[str, Disk]]]:
    """A stack of three brokers; the servers named in `mib` have a disk of so many MiB each."""
    shutil.rmtree(home, ignore_errors=True)
    with running_stack(home / "stack", brokers=3):
        pass  # so that every folder is there
    with ExitStack() as mounted:
        disks = {name: mounted.enter_context(_mounted(home, name, size)) for name, size in mib.items()}
        with running_stack(home / "stack", brokers=3) as stack:
            yield stack, disks


@contextmanager
def _mounted(home: Path, name: str, mib: int) -> Iterator[Disk]:
    folder, image, before = home / "stack" / name, home / f"{name}.ext4", home / f"{name}.before"
    folder.rename(before)
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(mib * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        (folder / "lost+found").rmdir()
        subprocess.run(["cp", "-a", f"{before}/.", folder], check=True)
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        image.unlink()
