"""What every way to a language model promises of an answer that is streamed: the same answer, piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.contract.test_providers import ADAPTERS, Adapter, a_call, failure, until

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.errors import Cut, Malformed, Overloaded, ServerError, Throttled, TimedOut
from fanzgpt_workers.ports import Provider


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: f"{adapter.transport}-{adapter.protocol}", scope="module")
def adapter(request: pytest.FixtureRequest) -> Adapter:
    chosen: Adapter = request.param
    return chosen


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "bill.jsonl", stream_chunks=7) as running:
        yield running


@pytest.fixture
def emulator(server: RunningEmulator) -> RunningEmulator:
    server.clear()
    return server


@pytest.fixture(scope="module")
async def provider(adapter: Adapter, server: RunningEmulator) -> AsyncIterator[Provider]:
    opened = adapter.open(server.url)
    yield opened
    await opened.aclose()


async def test_the_pieces_are_the_answer_and_its_receipt_comes_with_it(
    provider: Provider, emulator: RunningEmulator
) -> None:
    pieces: list[str] = []
    completion = await provider.complete(a_call(grown=pieces.append))
    (line,) = emulator.bill()
    assert len(pieces) > 3
    assert "".join(pieces) == completion.text
    assert line["stream"]
    assert completion.usage is not None
    assert (completion.usage.input, completion.usage.output) == (line["input_tokens"], line["output_tokens"])
    assert (completion.model, completion.response_id) == ("small-1", line["response_id"])
    assert completion.finish_reason == "stop"


async def test_a_stream_and_a_whole_answer_are_read_alike(provider: Provider, emulator: RunningEmulator) -> None:
    text = 'Grüße 👩‍👩‍👧 \u202eשלום\u202c\n\ndata: [DONE]\n\n{"error": {"type": "x"}}\x01'
    emulator.script([{"action": {"do": "say", "text": text}}])
    pieces: list[str] = []
    streamed = await provider.complete(a_call(grown=pieces.append))
    whole = await provider.complete(a_call())
    assert streamed.text == whole.text == "".join(pieces) == text
    assert streamed.finish_reason == whole.finish_reason


@pytest.mark.parametrize("fault", ["split-utf8", "no-usage"])
async def test_what_is_allowed_in_a_stream_is_read(provider: Provider, emulator: RunningEmulator, fault: str) -> None:
    emulator.script([{"action": {"do": "stream", "fault": fault}}])
    pieces: list[str] = []
    completion = await provider.complete(a_call(grown=pieces.append))
    assert completion.text == "".join(pieces)
    assert "\ufffd" not in completion.text
    assert (completion.usage is None) == (fault == "no-usage")


@pytest.mark.parametrize("reason", ["length", "refusal"])
async def test_why_the_model_stopped_is_told(provider: Provider, emulator: RunningEmulator, reason: str) -> None:
    emulator.script([{"action": {"do": "finish", "reason": reason}}])
    assert (await provider.complete(a_call(grown=lambda _: None))).finish_reason == reason


@pytest.mark.parametrize(
    "action",
    [
        {"do": "stream", "fault": "no-end", "after_chunks": 3},
        {"do": "stream", "fault": "error-event", "after_chunks": 3},
        {"do": "cut", "after_chunks": 5},
        {"do": "cut", "after_chunks": 5, "how": "reset"},
        {"do": "cut", "after_bytes": 700},
    ],
    ids=["no-end", "error-event", "closed", "reset", "within-an-event"],
)
async def test_a_stream_that_is_not_complete_is_cut_however_much_had_come(
    provider: Provider, emulator: RunningEmulator, action: dict[str, object]
) -> None:
    emulator.script([{"action": action}])
    error = await failure(provider, a_call(grown=lambda _: None))
    assert type(error) is Cut
    assert error.maybe_billed
    assert len(emulator.bill()) == 1


async def test_an_error_before_the_first_word_is_what_it_says(
    adapter: Adapter, provider: Provider, emulator: RunningEmulator
) -> None:
    emulator.script([{"action": {"do": "stream", "fault": "error-event", "after_chunks": 0}}])
    error = await failure(provider, a_call(grown=lambda _: None))
    assert type(error) is (ServerError if adapter.protocol == "chat-completions" else Overloaded)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"do": "status", "status": 429, "retry_after": 7}, Throttled),
        ({"do": "status", "status": 500}, ServerError),
        ({"do": "garbage", "what": "html"}, Cut),
        ({"do": "garbage", "what": "invalid-json"}, Malformed),
        ({"do": "garbage", "what": "huge", "bytes": 50_000_000}, Malformed),
    ],
)
async def test_what_is_no_stream_is_refused_as_ever(
    provider: Provider, emulator: RunningEmulator, action: dict[str, object], expected: type[Exception]
) -> None:
    emulator.script([{"action": action}])
    error = await failure(provider, a_call(grown=lambda _: None))
    assert type(error) is expected
    assert error.retry_after == (7.0 if expected is Throttled else None)


async def test_the_time_is_for_the_whole_stream(provider: Provider, emulator: RunningEmulator) -> None:
    emulator.script([{"action": {"do": "drip", "bytes": 1, "every": "50ms"}}])
    assert type(await failure(provider, a_call(timeout=0.3, grown=lambda _: None))) is TimedOut
    await until(lambda: emulator.stats()["abandoned"] == 1)


async def test_cancelling_half_way_closes_the_connection_and_the_next_call_is_answered(
    provider: Provider, emulator: RunningEmulator
) -> None:
    emulator.script([{"action": {"do": "drip", "bytes": 60, "every": "20ms"}, "times": 1}])
    grown = asyncio.Event()
    task = asyncio.create_task(provider.complete(a_call(grown=lambda _: grown.set())))
    await asyncio.wait_for(grown.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: emulator.stats()["abandoned"] == 1)
    pieces: list[str] = []
    assert (await provider.complete(a_call(grown=pieces.append))).text == "".join(pieces) != ""
