"""What both makers' batches promise, through the SDKs on a real HTTP server that keeps its own bill."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.batches.ports import BatchApi, CallEnded
from fanzgpt_workers.errors import Cut, NoSuchModel, Overloaded, Refused
from fanzgpt_workers.ports import Completion, Prompt, ProviderCall, Turn
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.opening import open_batch_api

LONG = 3_600
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "bill.jsonl") as running:
        yield running


@pytest.fixture
def emulator(server: RunningEmulator) -> RunningEmulator:
    server.clear()
    server.batches(seconds=0, lose_creations=0, expire_items=0)
    return server


@pytest.fixture(params=["openai", "anthropic"])
async def api(request: pytest.FixtureRequest, emulator: RunningEmulator) -> AsyncIterator[BatchApi]:
    protocol, url = {
        "openai": ("chat-completions", emulator.openai_base_url),
        "anthropic": ("messages", emulator.anthropic_base_url),
    }[request.param]
    opened = open_batch_api(Endpoint(name=request.param, protocol=protocol, base_url=url, api_key="key"))  # type: ignore[arg-type]  # one of the two
    yield opened
    await opened.aclose()


def some_calls(api: BatchApi, count: int) -> list[ProviderCall]:
    return [
        ProviderCall(
            model=MODELS[api.name],
            prompt=Prompt(version="test/1", system="You are kind.", turns=(Turn(role="user", text=f"Say {n}."),)),
            max_tokens=500,
            temperature=0.5,
            timeout=1,
            request_id=f"request-{n}",
            attempt_id=uuid4(),
        )
        for n in range(count)
    ]


async def ends_of(api: BatchApi, batch_id: str) -> dict[UUID, CallEnded]:
    return {end.attempt_id: end async for end in api.results(batch_id)}


async def test_every_call_of_a_batch_is_answered_at_half_the_price_and_billed_once(
    api: BatchApi, emulator: RunningEmulator
) -> None:
    calls = some_calls(api, 30)
    batch_id = await api.create(uuid4(), calls)
    assert await api.has_ended(batch_id)
    ends = await ends_of(api, batch_id)
    assert set(ends) == {call.attempt_id for call in calls}
    billed = {line["attempt_id"]: line for line in emulator.bill()}
    assert len(billed) == len(emulator.bill()) == len(calls)
    for call in calls:
        end, line = ends[call.attempt_id].ended, billed[call.attempt_id.hex]
        assert isinstance(end, Completion)
        assert end.usage is not None
        assert (end.usage.input, end.usage.output) == (line["input_tokens"], line["output_tokens"])
        assert (end.response_id, end.model) == (line["response_id"], call.model)
    rates = {"gpt-4o-mini": (150, 600), "claude-haiku-4-5": (1_000, 5_000)}[MODELS[api.name]]
    standard = sum(line["input_tokens"] * rates[0] + line["output_tokens"] * rates[1] for line in emulator.bill())
    assert emulator.totals()["cost_nanodollars"] * 2 == standard


async def test_a_batch_whose_creation_was_answered_to_nobody_is_found_and_no_other_one_is(
    api: BatchApi, emulator: RunningEmulator
) -> None:
    since = datetime.now(UTC)
    strangers = some_calls(api, 3)
    other = await api.create(uuid4(), strangers)
    emulator.batches(lose_creations=1)
    key, calls = uuid4(), some_calls(api, 3)
    attempts = [call.attempt_id for call in calls]
    before = await api.find(key, attempts, since=since, others=[])
    assert (before.found, before.sure) == (None, True)
    with pytest.raises(Cut) as lost:
        await api.create(key, calls)
    assert lost.value.maybe_billed
    search = await api.find(key, attempts, since=since, others=[other])
    assert search.found is not None
    assert set(await ends_of(api, search.found)) == set(attempts)
    assert (await api.find(uuid4(), [uuid4()] * 2, since=since, others=[])).found is None


async def test_a_batch_under_way_is_found_by_its_key_or_nobody_is_sure(
    api: BatchApi, emulator: RunningEmulator
) -> None:
    emulator.batches(seconds=LONG, lose_creations=1)
    key, calls = uuid4(), some_calls(api, 2)
    with pytest.raises(Cut):
        await api.create(key, calls)
    search = await api.find(key, [c.attempt_id for c in calls], since=datetime.now(UTC), others=[])
    assert search.found is not None or not search.sure
    later = datetime.now(UTC) + timedelta(hours=1)
    assert (await api.find(uuid4(), [uuid4()], since=later, others=[])).sure


async def test_a_cancelled_batch_tells_what_was_not_made_and_is_not_billed_for_it(
    api: BatchApi, emulator: RunningEmulator
) -> None:
    emulator.batches(seconds=LONG)
    calls = some_calls(api, 5)
    batch_id = await api.create(uuid4(), calls)
    assert not await api.has_ended(batch_id)
    await api.cancel(batch_id)
    await api.cancel(batch_id)
    assert await api.has_ended(batch_id)
    ends = (await ends_of(api, batch_id)).values()
    assert [type(end.ended) for end in ends] == [Overloaded] * 5
    assert emulator.totals()["billed"] == 0


async def test_expired_and_refused_calls_are_told_apart_and_cost_nothing(
    api: BatchApi, emulator: RunningEmulator
) -> None:
    emulator.batches(expire_items=1)
    emulator.script(
        [
            {"match": {"nth": 1}, "action": {"do": "status", "status": 400}},
            {"match": {"nth": 1}, "action": {"do": "status", "status": 404}},
        ]
    )
    calls = some_calls(api, 4)
    ends = await ends_of(api, await api.create(uuid4(), calls))
    kinds = [type(ends[call.attempt_id].ended) for call in calls]
    assert kinds == [Overloaded, Refused, NoSuchModel, Completion]
    assert emulator.totals()["billed"] == 1
