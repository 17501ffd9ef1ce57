"""Chance, as a share of what is sent: the network between a host and a server."""

from random import Random


class Losing:
    """How often something is lost: a share that a run sets, and takes back before its end."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.share = 0.0
        self.lost = 0

    def strikes(self) -> bool:
        """Whether this one is lost."""
        if self.share and self._random.random() < self.share:
            self.lost += 1
            return True
        return False
