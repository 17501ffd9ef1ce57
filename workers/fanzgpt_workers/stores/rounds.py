"""Batches in which a key comes twice, cut so that each part can be one statement."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar


class Ordered(Protocol):
    """What has an order, as keys do."""

    def __lt__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...


Item = TypeVar("Item")


def rounds(items: Sequence[Item], key: Callable[[Item], Ordered]) -> Iterator[list[tuple[int, Item]]]:
    """The items with their places, in rounds: no key twice within one, sorted by key, a key's items in their order.

    Nearly always there is one round. Sorting is what keeps two batches of the same keys from waiting for each other.
    """
    left = sorted(enumerate(items), key=lambda placed: key(placed[1]))
    while left:
        now: list[tuple[int, Item]] = []
        later: list[tuple[int, Item]] = []
        for placed in left:
            (later if now and key(now[-1][1]) == key(placed[1]) else now).append(placed)
        yield now
        left = later
