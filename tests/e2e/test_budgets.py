"""A budget for fifty calls, a hundred who want one, two workers: fifty are paid for, and the others are told why."""

import asyncio
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import psycopg
from tests.e2e.processes import worker
from tests.e2e.waiting import beside

from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import RequestFailed
from fanzgpt_schemas.codec import new_request
from fanzgpt_stack.emulator.testing import RunningEmulator
from fanzgpt_workers.prompts.library import PromptLibrary

GIVEN = {"topic": "yoga", "platform": "x"}
POST = "The golden hour was kind to this one. " * 6
INPUT_USD, OUTPUT_USD = Decimal("0.15") / 10**6, Decimal("0.60") / 10**6  # gpt-4o-mini


def cost_of_a_call() -> Decimal:
    """Of the prompt and POST, four characters a token, as the emulator counts them."""
    asked = new_request(type="social-post", request_id="r", user_id="u", input=GIVEN)
    characters = PromptLibrary(today=date.today).render(asked).characters
    return (characters + 3) // 4 * INPUT_USD + (len(POST) + 3) // 4 * OUTPUT_USD


async def endings(environ: dict[str, str], number: int) -> Counter[str]:
    """Ask so often at once, as several users; how the requests ended."""

    async def ask(client: GenerationClient) -> str:
        handle = await client.request("social-post", user_id=str(uuid4()), input=GIVEN)
        try:
            await handle.result(timeout=40)
        except RequestFailed as refused:
            return f"{refused.event.reason}: {refused.event.detail}"
        return "completed"

    async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
        return Counter(await asyncio.gather(*(ask(client) for _ in range(number))))


async def test_of_a_hundred_calls_a_budget_for_fifty_pays_fifty_also_after_a_restart(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    cost = cost_of_a_call()
    emulator.script([{"action": {"do": "say", "text": POST}}])
    budgeted = {
        **environ,
        "OPENAI_PRICED_AS": "openai",
        "AI_MAX_TOKENS": "64",
        "AI_BUDGET_TOTAL_USD": str(50 * cost + cost / 2),
        "AI_BUDGET_WINDOW": "month",
    }
    async with beside(worker("generation", budgeted, tmp_path)), beside(worker("generation", budgeted, tmp_path)):
        ended = await endings(environ, 100)
    assert ended.pop("completed") == 50
    [(told, refused)] = ended.items()
    assert refused == 50
    assert told.startswith("rejected")
    assert "USD a month is spent; it begins anew at" in told
    async with beside(worker("generation", budgeted, tmp_path)):
        assert "completed" not in await endings(environ, 5)
    totals = emulator.totals()
    assert totals["calls"] == 50
    assert abs(Decimal(totals["cost_usd"]) - 50 * cost) < Decimal("1e-9")
    with psycopg.connect(environ["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT sum(cost_usd), count(*) FROM ai_attempts").fetchone() == (50 * cost, 50)
        query = "SELECT scope, spent_usd, held_usd, warned FROM ai_budgets"
        assert connection.execute(query).fetchall() == [("total", 50 * cost, 0, True)]
    log = (tmp_path / "generation.log").read_text()
    assert log.count("budget nearly spent") == 1
