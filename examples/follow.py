"""Hear of every request's ending, whoever asked.

    python examples/follow.py my-service                     # what comes from now on
    python examples/follow.py my-service --from-beginning    # and what is still kept

Members of one group share the work; after a restart the group goes on where it was. Ctrl-C ends it.
"""

import asyncio
import os
import sys
from contextlib import aclosing, suppress

from fanzgpt_producers import Ending, subscribe_endings
from fanzgpt_schemas import GenerationFailed


async def follow(group: str, *, from_beginning: bool) -> None:
    """Print a line for each ending, until cancelled."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    endings = subscribe_endings(servers, group_id=group, from_beginning=from_beginning)
    async with aclosing(endings):  # leaving it stores the position at once
        async for ending in endings:
            # An ending may come twice after a crash: (user id, request id) is the key to keep it under.
            print(ending.user_id, ending.request_id, ending.type, told(ending), flush=True)


def told(ending: Ending) -> str:
    """The ending in a few words."""
    match ending:
        case GenerationFailed(reason=reason, retryable=True):
            return f"{reason}, asking again may help"
        case GenerationFailed(reason=reason):
            return reason
        case _:
            cost = ending.metadata.cost_usd
            return "answered" if cost is None else f"answered for ${cost:.6f}"


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(follow(sys.argv[1], from_beginning="--from-beginning" in sys.argv[2:]))
