"""The events of late, so that a copy is recognised."""

from uuid import UUID


class Recent:
    """The last `size` event ids. A window, not a memory: keep ids in your own store where copies must never count."""

    def __init__(self, size: int) -> None:
        """Nothing was seen yet."""
        self._size = size
        self._seen: dict[UUID, None] = {}

    def add(self, event_id: UUID) -> bool:
        """Note the id; False when it was here before. Seeing it again keeps it for longer."""
        new = self._seen.pop(event_id, _ABSENT) is _ABSENT
        self._seen[event_id] = None
        if len(self._seen) > self._size:
            del self._seen[next(iter(self._seen))]
        return new


_ABSENT = object()
