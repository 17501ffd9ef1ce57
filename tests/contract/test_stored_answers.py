"""What OpenAI keeps is found by its attempt, through every way in which it can be asked, on a server with its own bill."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.contract.test_providers import a_call, until

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.errors import Unreachable
from fanzgpt_workers.ports import Provider, StoredAnswers
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.opening import Transport, open_providers, open_stored_answers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "bill.jsonl", latency="300ms") as running:
        yield running


@pytest.fixture
def emulator(server: RunningEmulator) -> RunningEmulator:
    server.clear()
    return server


def endpoint(emulator: RunningEmulator, *, api_key: str = "key", stores: bool = True) -> Endpoint:
    return Endpoint(
        name="openai",
        protocol="chat-completions",
        base_url=emulator.openai_base_url,
        api_key=api_key,
        stores_answers=stores,
    )


@pytest.fixture(params=["sdk", "wire"])
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest.fixture
async def provider(transport: Transport, emulator: RunningEmulator) -> AsyncIterator[Provider]:
    opened = open_providers([endpoint(emulator)], transport=transport)["openai"]
    yield opened
    await opened.aclose()


@pytest.fixture
async def stored(emulator: RunningEmulator) -> AsyncIterator[StoredAnswers]:
    opened = open_stored_answers(endpoint(emulator))
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_it_is_the_answer_that_was_given_and_costs_nothing(
    provider: Provider, stored: StoredAnswers, emulator: RunningEmulator, streamed: bool
) -> None:
    call = a_call(grown=(lambda _: None) if streamed else None)
    given = await provider.complete(call)
    found = await stored.find(call.attempt_id, model=call.model)
    assert found == replace(given, headroom=None)
    assert len(emulator.bill()) == 1


async def test_it_is_there_though_nobody_waited_for_it_and_not_before_it_is_made(
    provider: Provider, stored: StoredAnswers, emulator: RunningEmulator
) -> None:
    emulator.script([{"action": {"do": "slow", "seconds": 1.5}}])
    call = a_call()
    assert await stored.find(call.attempt_id, model=call.model) is None
    calling = asyncio.create_task(provider.complete(call))
    await until(lambda: len(emulator.bill()) == 1)
    calling.cancel()
    await asyncio.wait([calling])
    assert await stored.find(call.attempt_id, model=call.model) is None
    async with asyncio.timeout(5):
        while (found := await stored.find(call.attempt_id, model=call.model)) is None:
            pass
    (line,) = emulator.bill()
    assert found.response_id == line["response_id"]
    assert found.usage is not None
    assert (found.usage.input, found.usage.output) == (line["input_tokens"], line["output_tokens"])


async def test_of_many_each_is_its_own(provider: Provider, stored: StoredAnswers) -> None:
    calls = [a_call() for _ in range(30)]
    given = await asyncio.gather(*map(provider.complete, calls))
    found = await asyncio.gather(*(stored.find(call.attempt_id, model=call.model) for call in calls))
    assert [each and each.response_id for each in found] == [each.response_id for each in given]


async def test_what_was_never_asked_or_is_somebody_elses_is_not_found(
    provider: Provider, stored: StoredAnswers, emulator: RunningEmulator
) -> None:
    call = a_call()
    await provider.complete(call)
    assert await stored.find(uuid4(), model=call.model) is None
    others = open_stored_answers(endpoint(emulator, api_key="another"))
    assert await others.find(call.attempt_id, model=call.model) is None
    await others.aclose()


async def test_nothing_is_kept_where_that_is_not_asked_for(
    transport: Transport, stored: StoredAnswers, emulator: RunningEmulator
) -> None:
    plain = open_providers([endpoint(emulator, stores=False)], transport=transport)["openai"]
    await plain.complete(call := a_call())
    assert await stored.find(call.attempt_id, model=call.model) is None
    await plain.aclose()


async def test_a_provider_that_is_not_there_is_told_as_such() -> None:
    nowhere = Endpoint(name="openai", protocol="chat-completions", base_url="http://127.0.0.1:1/v1", api_key="key")
    stored = open_stored_answers(nowhere)
    with pytest.raises(Unreachable):
        await stored.find(uuid4(), model="m")
    await stored.aclose()
    await stored.aclose()
