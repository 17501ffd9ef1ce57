"""Disks that are full."""

from pathlib import Path
from time import sleep

from tests.chaos.arena import arena, wait_until
from tests.chaos.disks import stack_on_small_disks
from tests.chaos.outcome import Outcome

from fanzgpt_stack.servers import StackServers

MIB = {"postgres": 400, "kafka-2": 400}
SAYS_SO = "No space left on device"


def disks_full(_: StackServers, folder: Path, *, seed: int, requests: int, seconds: float) -> Outcome:
    """Under load not a byte is left for PostgreSQL, then for one broker of three; then there is room again."""
    with (
        stack_on_small_disks(folder / "disks-full-servers", MIB) as (stack, disks),
        arena(stack, folder, "disks-full", seed=seed) as field,
    ):
        field.start_sinks()
        for _number in range(2):
            field.system.start("generation")
        for name, disk in disks.items():
            log = stack.log(name)
            said = log.stat().st_size
            field.load(requests // len(disks), rate=100)
            sleep(1)
            with disk.full():
                wait_until(
                    lambda log=log, said=said: SAYS_SO in log.read_text(errors="replace")[said:],  # type: ignore[misc]
                    f"{name} has no space left",
                )
                field.fired[f"disk full: {name}"] += 1
                sleep(seconds)
            field.servers.back()
            field.progress.healed()
            field.until_ended()
        return field.finish(required={f"disk full: {name}": 1 for name in disks})
