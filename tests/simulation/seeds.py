"""One seed, one schedule: its weather, its world at the end, and what is wrong with it."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.simulation.clock import VirtualLoop, run
from tests.simulation.invariants import at_the_end
from tests.simulation.worker import Parts
from tests.simulation.world import Weather, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What became of a seed's world."""

    seed: int
    wrong: list[str]
    told: str
    digest: str
    fired: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """For whoever has to find out why."""
        return "\n".join([f"SIMULATION_SEED={self.seed} shows it:", *self.wrong, self.told])


STORM: Final = Weather(kills=0.2, stops=0.2, freezes=0.2, expulsions=1.0, jumps=0.05, losses=0.05, gaps=0.2)


def weather_of(seed: int) -> Weather:
    """Fair for one seed in eight, a storm for another, and otherwise some of what may go wrong."""
    random = Random(f"weather of {seed}")
    if seed % 8 == 0:
        return Weather(stops=0.1)
    if seed % 8 == 1:
        return STORM
    return Weather(
        kills=random.choice((0.0, 0.2, 0.4)),
        stops=random.choice((0.0, 0.1, 0.3)),
        freezes=random.choice((0.0, 0.0, 0.2)),
        expulsions=random.choice((0.0, 0.0, 0.2)),
        jumps=random.choice((0.0, 0.05)),
        losses=random.choice((0.0, 0.05, 0.3)),
        gaps=random.choice((0.0, 0.2)),
        slow=random.choice((1.0, 1.0, 8.0)),
    )


def lived(seed: int, parts: Parts | None = None, weather: Weather | None = None) -> Lived:
    """Let the world of a seed come to its end."""
    random = Random(f"size of {seed}")
    loop = VirtualLoop(Random(f"order of {seed}") if seed % 2 else None)
    world = World(seed, loop, parts or Parts(), weather or weather_of(seed))
    try:
        run(world.live(random.randint(15, 40)), loop)
    except Exception as error:  # noqa: BLE001  # routed: it is what is wrong with the seed
        wrong = [*world.auditor.wrong, f"{type(error).__name__}: {error}"]
    else:
        wrong = at_the_end(world.auditor)
    fired, history = Counter(world.fired), world.history
    return Lived(seed=seed, wrong=wrong, told=history.told() if wrong else "", digest=history.digest(), fired=fired)


def faults_of(seeds: range) -> tuple[list[str], Counter[str]]:
    """What is wrong with any of the seeds, with its history; what went wrong in them, counted."""
    wrong, fired = [], Counter[str]()
    for seed in seeds:
        one = lived(seed)
        fired.update(one.fired)
        if one.wrong:
            wrong.append(str(one))
    return wrong, fired


def digest_of(seed: int) -> str:
    """The history of a seed in a few characters."""
    return lived(seed).digest
