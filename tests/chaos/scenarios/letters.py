"""Dead letters that are sent again by a command that dies on the way, and then once more for good measure."""

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from benchmarks.system import SINKS, command
from tests.chaos.arena import Arena, arena
from tests.chaos.outcome import Outcome

from fanzgpt_schemas.identity import user_key
from fanzgpt_stack.servers import StackServers

POINT = "after-redrive"


def redriven(stack: StackServers, folder: Path, *, seed: int, requests: int, rounds: int) -> Outcome:
    """Nobody knows the users at first: every row becomes a letter. Then they are known, and the letters sent again."""
    with arena(stack, folder, "redrive", seed=seed, latency="20ms", UNKNOWN_USERS="dead-letter") as field:
        field.start_sinks()
        field.system.start("generation")
        load = field.load(requests, rate=10_000)
        field.until_answered()
        field.sinks_have_passed()
        letters = [letter for name in SINKS for letter in _letters(field, name)]
        with psycopg.connect(field.system.endpoints["DATABASE_URL"]) as connection:
            users = {user_key(each.user_id) for each in load.wanted}
            connection.cursor().executemany("INSERT INTO users (id) VALUES (%s)", [(user,) for user in users])
        for _ in range(rounds):
            name = field.random.choice(SINKS)
            left = _letters(field, name)
            if left:
                _crash(field, name, at=field.random.randint(1, max(1, len(left) // rounds)))
        for name in SINKS:
            _redrive(field, "--consumer", f"{field.prefix}.{name}")
        field.until_ended()
        _redrive(field, *letters)
        field.fired["letters sent again after all was well"] += len(letters)
        return field.finish(
            required={POINT: min(rounds, 3), "letters sent again after all was well": requests},
            dead_letters=len(letters),
        )


def _letters(field: Arena, name: str) -> list[str]:
    """Those of a sink that nothing was done with yet."""
    words = (command(), "dlq", "ls", "--consumer", f"{field.prefix}.{name}", "--limit", "1000000", "-o", "json")
    told = subprocess.run(words, env=field.system.environ, check=True, capture_output=True)
    listed: list[dict[str, Any]] = json.loads(told.stdout)
    return [each["letter"] for each in listed]


def _redrive(field: Arena, *words: str) -> None:
    field.system.run("dlq", "redrive", "--yes", *words)


def _crash(field: Arena, name: str, *, at: int) -> None:
    done = subprocess.run(
        (command(), "dlq", "redrive", "--yes", "--consumer", f"{field.prefix}.{name}"),
        env={**field.system.environ, "FANZGPT_CRASH_AT": f"{POINT}:{at}"},
        check=False,
        capture_output=True,
    )
    if f"crash point {POINT}\n".encode() in done.stderr:
        field.fired[POINT] += 1
