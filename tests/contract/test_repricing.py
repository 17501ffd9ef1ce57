"""Prices of calls that were made, anew: shown first, written when told to, and only where they are others."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from tests.contract.test_ledger import a_claim, an_attempt

from fanzgpt_workers.core.attempts import AttemptEnded, Price, Usage
from fanzgpt_workers.providers.pricing import ListPricing
from fanzgpt_workers.stores.database import Database, open_database
from fanzgpt_workers.stores.postgres_ledger import PostgresLedger
from fanzgpt_workers.stores.repricing import Change, Repricing

PRICING = ListPricing(listed_as={"openai": "openai"})
USAGES = {
    "gpt-4o-mini": Usage(input=10_000, output=100, cache_read=8_000),
    "gpt-5-mini": Usage(input=1_000, output=1_000, tier="flex"),
    "gpt-audio": Usage(input=1_000, output=500, input_audio=600, output_audio=400),
    "nobody-knows": Usage(input=1, output=1),
}
RIGHT = {"gpt-4o-mini": Decimal("0.00096"), "gpt-5-mini": Decimal("0.001125"), "gpt-audio": Decimal("0.0468")}


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    async with await open_database(migrated_database_url) as opened:
        yield opened


async def called(database: Database, model: str, usd: str | None) -> UUID:
    """A call in the ledger, with the price that it was given then."""
    ledger = PostgresLedger(database, takeover_after=600)
    claim = a_claim(owner=uuid4())
    await ledger.claim([claim])
    attempt = replace(an_attempt(claim), model=model)
    await ledger.start_attempts([attempt])
    price = Price(usd=None if usd is None else Decimal(usd), version="before")
    await ledger.settle([AttemptEnded(attempt_id=attempt.attempt_id, outcome="ok", usage=USAGES[model], price=price)])
    return attempt.attempt_id


async def prices(database: Database) -> dict[UUID, tuple[Decimal | None, str]]:
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT attempt_id, cost_usd, price_version FROM ai_attempts")
    return {row["attempt_id"]: (row["cost_usd"], row["price_version"]) for row in rows}


async def test_calls_are_priced_anew_by_all_that_their_price_depends_on(database: Database) -> None:
    wrong = {model: await called(database, model, "1") for model in RIGHT}
    unpriced = await called(database, "gpt-4o-mini", None)
    right = await called(database, "gpt-5-mini", str(RIGHT["gpt-5-mini"]))
    unknown = await called(database, "nobody-knows", "0.5")
    before = await prices(database)
    repricing = Repricing(database, PRICING)
    shown = await repricing.reprice(write=False)
    assert await prices(database) == before
    assert await repricing.reprice(write=True) == shown
    after = await prices(database)
    assert {model: after[attempt] for model, attempt in wrong.items()} == {
        model: (usd, PRICING.version) for model, usd in RIGHT.items()
    }
    assert after[unpriced] == (RIGHT["gpt-4o-mini"], PRICING.version)
    assert after[right] == before[right]
    assert after[unknown] == before[unknown]
    found = {change.model: change for change in shown}
    assert found["gpt-4o-mini"] == Change(
        provider="openai",
        model="gpt-4o-mini",
        calls=2,
        changed=2,
        before_usd=Decimal(1),
        after_usd=2 * RIGHT["gpt-4o-mini"],
    )
    assert (found["nobody-knows"].lost, found["nobody-knows"].changed) == (1, 0)
    assert sum(change.changed for change in await repricing.reprice(write=True)) == 0


async def test_only_calls_of_the_window_are_priced(database: Database) -> None:
    attempt = await called(database, "gpt-4o-mini", "1")
    now = datetime.now(UTC)
    repricing = Repricing(database, PRICING)
    assert await repricing.reprice(since=now + timedelta(hours=1), write=True) == []
    assert await repricing.reprice(until=now - timedelta(hours=1), write=True) == []
    assert (await prices(database))[attempt] == (1, "before")
