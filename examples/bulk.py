"""Ask for many posts, so many at a time, and be able to begin again.

    python examples/bulk.py spring-campaign 1000 64

Each request has an id of our own, made of the campaign and a number. Whatever stops this program, starting it again
asks for the same requests: what was answered is answered from the ledger, and nothing is paid for twice.
"""

import asyncio
import os
import sys
from collections.abc import Iterator

from fanzgpt_producers import GenerationClient, RequestFailed


async def ask_all(client: GenerationClient, campaign: str, numbers: Iterator[int]) -> tuple[int, int]:
    """Take numbers until there are none left; returns how many were answered and how many were not."""
    answered = failed = 0
    for number in numbers:
        handle = await client.request(
            "social-post",
            user_id=f"creator-{number % 50}",
            input={"topic": f"day {number} of {campaign}", "platform": "x"},
            request_id=f"{campaign}/{number}",
            priority="batch",
        )
        try:
            await handle.result(timeout=300)
        except RequestFailed as error:
            failed += 1
            print(error, file=sys.stderr)
        else:
            answered += 1
    return answered, failed


async def main(campaign: str, requests: int, at_once: int) -> int:
    """Share the numbers out between `at_once` tasks: that many are under way, whatever each of them takes."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    async with GenerationClient(bootstrap_servers=servers, source="examples/bulk") as client:
        numbers = iter(range(requests))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask_all(client, campaign, numbers)) for _ in range(at_once)]
    answered = sum(task.result()[0] for task in tasks)
    failed = sum(task.result()[1] for task in tasks)
    print(f"{answered} answered, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    name, how_many, side_by_side = sys.argv[1:4]
    sys.exit(asyncio.run(main(name, int(how_many), int(side_by_side))))
