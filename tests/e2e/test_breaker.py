"""A provider that is down: its fallback answers at the fallback's price, hardly a call is wasted, and it comes back."""

import asyncio
from collections import Counter
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic
from uuid import uuid4

import psycopg
from tests.e2e.processes import worker
from tests.e2e.waiting import beside, reached

from fanzgpt_producers.client import GenerationClient
from fanzgpt_stack.emulator.testing import RunningEmulator

GIVEN = {"topic": "yoga", "platform": "x"}


async def answered_by(environ: dict[str, str], number: int) -> Counter[str | None]:
    """Ask so often at once, as several users; who answered."""
    async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
        handles = [await client.request("social-post", user_id=str(uuid4()), input=GIVEN) for _ in range(number)]
        answers = await asyncio.gather(*(handle.result(timeout=30) for handle in handles))
    return Counter(answer.metadata.provider for answer in answers)


def spent(url: str) -> Decimal:
    """What the ledger says that all calls cost."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT coalesce(sum(cost_usd), 0) FROM ai_attempts").fetchone()
        return found[0] if found else Decimal(0)


def calls_to(emulator: RunningEmulator, vendor: str) -> list[dict[str, object]]:
    """The lines of its bill."""
    return [line for line in emulator.bill() if line["vendor"] == vendor]


def mend(emulator: RunningEmulator) -> None:
    """Let every call be answered again."""
    connection = HTTPConnection("127.0.0.1", emulator.port, timeout=10)
    connection.request("DELETE", "/emulator/script")
    assert connection.getresponse().status == 200
    connection.close()


async def test_while_a_provider_is_down_its_fallback_answers_and_afterwards_it_does_itself(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    guarded = {
        **environ,
        "AI_FALLBACKS": "anthropic/claude-haiku-4-5",
        "ANTHROPIC_BASE_URL": emulator.anthropic_base_url,
        "ANTHROPIC_PRICED_AS": "anthropic",
        "OPENAI_PRICED_AS": "openai",
        "AI_BREAKER_PROBE_SECONDS": "1",
        "GENERATION_MAX_IN_FLIGHT": "8",
    }
    async with beside(worker("generation", guarded, tmp_path)), beside(worker("generation", guarded, tmp_path)):
        assert await answered_by(environ, 20) == {"openai": 20}
        emulator.script([{"match": {"vendor": "openai"}, "action": {"do": "status", "status": 500}}])
        assert await answered_by(environ, 100) == {"anthropic": 100}
        known, began = len(calls_to(emulator, "openai")), monotonic()
        assert await answered_by(environ, 100) == {"anthropic": 100}
        probes = len(calls_to(emulator, "openai")) - known
        assert probes <= 1 + (monotonic() - began) / 1.0
        mend(emulator)
        until = monotonic() + 10
        while await answered_by(environ, 20) != {"openai": 20}:
            assert monotonic() < until, "it does not come back"
    failed = [line for line in calls_to(emulator, "openai") if line["status"] == 500]
    assert len(failed) <= 2 * (20 + 8) + probes + 10  # until each worker had seen enough, and what was under way then
    assert abs(spent(environ["DATABASE_URL"]) - Decimal(emulator.totals()["cost_usd"])) < Decimal("1e-9")
    assert "breaker opened" in (tmp_path / "generation.log").read_text()


async def test_without_a_fallback_requests_wait_for_the_provider_and_none_is_lost(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"action": {"do": "status", "status": 503}}])
    guarded = {**environ, "AI_BREAKER_PROBE_SECONDS": "1"}
    async with beside(worker("generation", guarded, tmp_path)):
        asking = asyncio.create_task(answered_by(environ, 30))
        await reached(20, lambda: "breaker opened" in (tmp_path / "generation.log").read_text())
        await reached(20, lambda: emulator.stats()["in_flight"] == 0)
        known, began = emulator.stats()["calls"], monotonic()
        await asyncio.wait([asking], timeout=3)
        assert not asking.done()
        assert emulator.stats()["calls"] - known <= 1 + (monotonic() - began) / 1.0
        mend(emulator)
        assert await asking == {"openai": 30}
    assert emulator.totals()["billed"] == 30
