"""One seed, one schedule: its world at the end, and what is wrong with it."""

from random import Random

from tests.simulation.clock import VirtualLoop, run
from tests.simulation.invariants import broken
from tests.simulation.world import Parts, World


def lived(seed: int, parts: Parts | None = None) -> World:
    """The world of a seed, at its end. Raises TimeoutError where something never ends."""
    loop = VirtualLoop()
    world = World(seed, loop, parts or Parts())
    live(world, loop)
    return world


def live(world: World, loop: VirtualLoop) -> None:
    """Let a world come to its end."""
    hurt = Random(f"faults of {world.seed}")
    run(
        world.live(
            requests=hurt.randint(5, 20),
            kills=hurt.choice((0.0, 0.1, 0.2)),
            freezes=hurt.choice((0.0, 0.0, 0.15)),
            losses=hurt.choice((0.0, 0.05, 0.3)),
        ),
        loop,
    )


def faults_of(seeds: range) -> tuple[list[str], int, int]:
    """What is wrong with any of the seeds, with its history; how many kills and freezes there were."""
    wrong, kills, freezes = [], 0, 0
    for seed in seeds:
        loop = VirtualLoop()
        world = World(seed, loop, Parts())
        try:
            live(world, loop)
        except Exception as error:  # noqa: BLE001  # routed: it is what is wrong with the seed
            found = [f"{type(error).__name__}: {error}"]
        else:
            found = broken(world)
        kills, freezes = kills + world.kills, freezes + world.freezes
        if found:
            wrong.append(f"SIMULATION_SEED={seed} shows it: {found}\n{told(world)}")
    return wrong, kills, freezes


def told(world: World) -> str:
    """The end of a history, to read."""
    return "\n".join(f"{at:9.3f}  {who:10}  {what}" for at, who, what in world.history[-400:])
