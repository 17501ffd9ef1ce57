"""Speech over SDK and wire: one call, one line of the bill, the price by character, and the refusals of every call."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.contract.test_providers import ADAPTERS, KEY, Adapter, a_call, failure

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.errors import Malformed, Refused, Throttled
from fanzgpt_workers.ports import Prompt, Provider, ProviderCall, Speech
from fanzgpt_workers.providers.pricing import ListPricing

TEXT = "Grüße aus dem Studio!"
SPEAKING = [adapter for adapter in ADAPTERS if adapter.protocol == "chat-completions"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "bill.jsonl") as running:
        yield running


@pytest.fixture
def emulator(server: RunningEmulator) -> RunningEmulator:
    server.clear()
    return server


@pytest.fixture(params=SPEAKING, ids=lambda adapter: adapter.transport, scope="module")
async def provider(request: pytest.FixtureRequest, server: RunningEmulator) -> AsyncIterator[Provider]:
    adapter: Adapter = request.param
    opened = adapter.open(server.url, key=KEY)
    yield opened
    await opened.aclose()


def speaking(form: str = "wav", voice: str = "alloy", model: str = "tts-1") -> ProviderCall:
    speech = Speech(text=TEXT, voice=voice, format=form)
    return replace(a_call(), model=model, prompt=Prompt(version="voice/1", system="", turns=(), speech=speech))


@pytest.mark.parametrize(
    ("form", "begins"), [("mp3", b"ID3"), ("opus", b"OggS"), ("aac", b"\xff\xf1"), ("flac", b"fLaC"), ("wav", b"RIFF")]
)
async def test_a_text_is_spoken_in_each_format(
    provider: Provider, emulator: RunningEmulator, form: str, begins: bytes
) -> None:
    completion = await provider.complete(speaking(form))
    [line] = emulator.bill()
    assert completion.audio.startswith(begins)
    assert (line["path"], line["billed"], line["characters"]) == ("/v1/audio/speech", True, len(TEXT))


async def test_what_it_costs_is_what_is_on_the_bill(provider: Provider, emulator: RunningEmulator) -> None:
    completion = await provider.complete(speaking())
    [line] = emulator.bill()
    assert completion.usage is not None
    assert completion.usage.characters == len(TEXT)
    pricing = ListPricing(listed_as={"theirs": "openai"})
    price = pricing.price(provider="theirs", model="tts-1", usage=completion.usage, at=datetime.now(UTC))
    assert price.usd == Decimal(line["cost_nanodollars"]) / 10**9


async def test_a_model_that_is_charged_by_tokens_has_no_known_cost(
    provider: Provider, emulator: RunningEmulator
) -> None:
    assert (await provider.complete(speaking(model="gpt-4o-mini-tts"))).usage is None
    assert len(emulator.bill()) == 1


async def test_a_voice_that_the_endpoint_has_not_is_refused_unpaid(
    provider: Provider, emulator: RunningEmulator
) -> None:
    error = await failure(provider, speaking(voice="neighbour"))
    assert isinstance(error, Refused)
    assert TEXT not in error.detail
    assert [line["billed"] for line in emulator.bill()] == [False]


async def test_no_audio_is_no_speech(provider: Provider, emulator: RunningEmulator) -> None:
    emulator.script([{"action": {"do": "garbage", "what": "html"}}])
    assert isinstance(await failure(provider, speaking()), Malformed)


async def test_a_limit_is_one_for_speech_too(provider: Provider, emulator: RunningEmulator) -> None:
    emulator.script([{"action": {"do": "status", "status": 429, "retry_after": 3}}])
    error = await failure(provider, speaking())
    assert isinstance(error, Throttled)
    assert error.retry_after == 3


@pytest.mark.parametrize("transport", ["sdk", "wire"])
async def test_an_endpoint_that_makes_no_speech_says_so(emulator: RunningEmulator, transport: str) -> None:
    [adapter] = [each for each in ADAPTERS if (each.transport, each.protocol) == (transport, "messages")]
    opened = adapter.open(emulator.url)
    assert isinstance(await failure(opened, speaking()), Refused)
    await opened.aclose()
    assert emulator.bill() == []
