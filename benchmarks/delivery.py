"""Whether every answer goes to the caller who asked for it, over many calls of many users at two gateways.

    python -m benchmarks.delivery --requests 100000

Users share their request ids, and their calls go to either gateway as it comes: only user, id and content tell answers
apart. Each answer is held against what the ledger keeps for that user and id. Prints one JSON line; exit code 1 where
an answer was somebody else's, or none came.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

import aiohttp
import asyncpg

from benchmarks.system import running_system

KEY: Final = "a-key-for-measuring-only"
PATH: Final = "/api/v1/content/social-post"
AT_ONCE: Final = 300
A_ROUND: Final = 5_000
USERS_OF_AN_ID: Final = 50


def main() -> int:
    """Measure, print, and say whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    settings = {"FANZ_GPT_API_KEY": KEY, "RATE_LIMIT_REQUESTS": "100000", "PORT": "0"}
    with (
        TemporaryDirectory(prefix="delivery-") as folder,
        running_system(Path(folder), settings, latency="20ms") as system,
    ):
        system.start("generation")
        gateways = [system.start("gateway") for _ in range(2)]
        ports = [json.loads(each.ready.read_text())["port"] for each in gateways]
        urls = [f"http://127.0.0.1:{port}{PATH}" for port in ports]
        found = asyncio.run(_delivered(urls, system.environ["DATABASE_URL"], given.requests, Random(given.seed)))
    sys.stdout.write(json.dumps({"requests": given.requests, **found}) + "\n")
    return 0 if found["answered"] == given.requests and not found["to_somebody_else"] else 1


async def _delivered(urls: list[str], database: str, requests: int, random: Random) -> dict[str, object]:
    statuses: Counter[int] = Counter()
    wrong, began = 0, perf_counter()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers={"Authorization": f"Bearer {KEY}"}
    ) as session:
        for first in range(0, requests, A_ROUND):
            asked = [
                (f"user-{number % USERS_OF_AN_ID}", f"r-{number // USERS_OF_AN_ID}")
                for number in range(first, min(first + A_ROUND, requests))
            ]
            random.shuffle(asked)
            answers = await _asked(session, urls, asked, statuses)
            wrong += await _strayed(database, answers)
    return {
        "answered": statuses[200],
        "statuses": dict(statuses),
        "to_somebody_else": wrong,
        "per_second": round(requests / (perf_counter() - began)),
    }


async def _asked(
    session: aiohttp.ClientSession, urls: list[str], asked: list[tuple[str, str]], statuses: Counter[int]
) -> dict[tuple[str, str], str]:
    """What each was answered."""
    at_once, answers = asyncio.Semaphore(AT_ONCE), {}

    async def call(number: int, user: str, key: str) -> None:
        body = {"userId": user, "topic": f"{user} {key}", "platform": "x"}
        async with at_once, session.post(urls[number % 2], json=body, headers={"X-Request-ID": key}) as response:
            statuses[response.status] += 1
            if response.status == 200:
                answers[user, key] = (await response.json())["post"]

    await asyncio.gather(*(call(number, *each) for number, each in enumerate(asked)))
    return answers


async def _strayed(database: str, answers: dict[tuple[str, str], str]) -> int:
    """How many answers are not what the ledger keeps for their user and id."""
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            "SELECT user_id, request_id, outbox FROM ai_requests WHERE request_id = ANY($1)",
            list({key for _, key in answers}),
        )
    finally:
        await connection.close()
    kept = {
        (row["user_id"], row["request_id"]): json.loads(json.loads(row["outbox"])[0]["value"])["output"]["post"]
        for row in rows
        if row["outbox"] is not None
    }
    if len(set(kept.values())) != len(kept):
        raise AssertionError("two answers are the same, so that one in the place of the other would not be seen")
    return sum(kept.get(whose) != answer for whose, answer in answers.items())


if __name__ == "__main__":
    sys.exit(main())
