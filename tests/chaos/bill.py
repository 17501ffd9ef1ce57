"""What the provider's bill says of the time between calls."""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

MINUTE = timedelta(minutes=1)


def most_in_a_minute(bill: Sequence[Mapping[str, Any]]) -> int:
    """The calls that arrived in the busiest minute, wherever it begins."""
    within: deque[datetime] = deque()
    most = 0
    for at in sorted(datetime.fromisoformat(line["arrived_at"]) for line in bill):
        within.append(at)
        while at - within[0] >= MINUTE:
            within.popleft()
        most = max(most, len(within))
    return most
