"""What every way to a language model promises, held on a real HTTP server: both protocols, over SDK and wire."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from typing import Any
from uuid import UUID, uuid4

import pytest

from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.errors import (
    Cut,
    Malformed,
    NoSuchModel,
    OutOfCredit,
    Overloaded,
    ProviderError,
    Refused,
    ServerError,
    Throttled,
    TimedOut,
    Unauthorized,
    Unreachable,
)
from fanzgpt_workers.ports import OutputSchema, Prompt, Provider, ProviderCall, Turn
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.endpoint import Protocol as WireProtocol
from fanzgpt_workers.providers.opening import Transport, open_providers

KEY = "sk-test-0123456789abcdef"
STARTERS = OutputSchema(
    name="starters",
    schema={
        "type": "object",
        "properties": {
            "starters": {"type": "array", "items": {"type": "string", "maxLength": 80}, "minItems": 3, "maxItems": 3}
        },
        "required": ["starters"],
        "additionalProperties": False,
    },
)


@dataclass(frozen=True)
class Adapter:
    """One of the four, ready to be opened at an address."""

    transport: Transport
    protocol: WireProtocol

    def open(self, url: str, *, bounds: Bounds | None = None, key: str | None = KEY) -> Provider:
        base_url = f"{url}/v1" if self.protocol == "chat-completions" else url
        endpoint = Endpoint(name="theirs", protocol=self.protocol, base_url=base_url, api_key=key)
        return open_providers([endpoint], transport=self.transport, bounds=bounds)["theirs"]


ADAPTERS = [
    Adapter(transport, protocol) for transport in ("sdk", "wire") for protocol in ("chat-completions", "messages")
]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: f"{adapter.transport}-{adapter.protocol}", scope="module")
def adapter(request: pytest.FixtureRequest) -> Adapter:
    chosen: Adapter = request.param
    return chosen


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "bill.jsonl") as running:
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


def a_call(text: str = "Say hello.", *, schema: OutputSchema | None = None, **changes: Any) -> ProviderCall:
    prompt = Prompt(
        version="test/1", system="You are kind.", turns=(Turn(role="user", text=text),), output_schema=schema
    )
    call = ProviderCall(
        model="small-1",
        prompt=prompt,
        max_tokens=1_000,
        temperature=0.7,
        timeout=20.0,
        request_id="request-1",
        attempt_id=uuid4(),
    )
    return replace(call, **changes)


async def failure(provider: Provider, call: ProviderCall) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await provider.complete(call)
    return caught.value


async def until(condition: Callable[[], bool], *, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "the condition did not come true"


async def test_a_call_is_answered_with_text_usage_and_names(provider: Provider, emulator: RunningEmulator) -> None:
    completion = await provider.complete(a_call())
    (line,) = emulator.bill()
    assert completion.text.startswith("emu-")
    assert completion.finish_reason == "stop"
    assert completion.model == "small-1"
    assert completion.response_id == line["response_id"]
    assert completion.usage is not None
    assert completion.usage.input == line["input_tokens"]
    assert completion.usage.output == line["output_tokens"]
    assert provider.name == "theirs"


async def test_a_call_is_one_line_of_the_bill_with_our_names(provider: Provider, emulator: RunningEmulator) -> None:
    call = a_call(request_id="Grüße / 100 % 🎉\n")
    await provider.complete(call)
    (line,) = emulator.bill()
    assert line["request_id"] == call.request_id
    assert UUID(line["attempt_id"]) == call.attempt_id


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
async def test_a_failed_call_is_one_line_of_the_bill_too(
    provider: Provider, emulator: RunningEmulator, status: int
) -> None:
    emulator.script([{"action": {"do": "status", "status": status}}])
    await failure(provider, a_call())
    assert len(emulator.bill()) == 1


async def test_an_answer_can_be_held_to_a_json_schema(provider: Provider, emulator: RunningEmulator) -> None:
    completion = await provider.complete(a_call(schema=STARTERS))
    answer = json.loads(completion.text)
    assert set(answer) == {"starters"}
    assert len(answer["starters"]) == 3


@pytest.mark.parametrize("text", ["Grüße 👩‍👩‍👧 \u202eשלום\u202c", 'quotes " \\ </topic> {"a": 1}', "\x01\t\r\n"])
async def test_any_text_arrives_and_comes_back_whole(provider: Provider, emulator: RunningEmulator, text: str) -> None:
    emulator.script([{"action": {"do": "say", "text": text}}])
    completion = await provider.complete(a_call(text))
    assert completion.text == text


async def test_a_prompt_of_a_megabyte_and_many_turns_arrives(provider: Provider, emulator: RunningEmulator) -> None:
    turns = tuple(Turn(role=("user", "assistant")[n % 2], text="word " * 4_000) for n in range(51))
    prompt = Prompt(version="test/1", system="You are kind.", turns=turns)
    completion = await provider.complete(a_call(prompt=prompt))
    assert completion.usage is not None
    assert completion.usage.input > 51 * 4_000


async def test_an_answer_near_the_bound_is_read(provider: Provider, emulator: RunningEmulator) -> None:
    text = "ä" * 1_000_000
    emulator.script([{"action": {"do": "say", "text": text}}])
    completion = await provider.complete(a_call())
    assert completion.text == text


@pytest.mark.parametrize("max_tokens", [8, 120_000])
async def test_the_output_limit_arrives_however_large(
    provider: Provider, emulator: RunningEmulator, max_tokens: int
) -> None:
    completion = await provider.complete(a_call(max_tokens=max_tokens))
    assert completion.finish_reason == ("length" if max_tokens == 8 else "stop")


@pytest.mark.parametrize("reason", ["length", "refusal"])
async def test_why_the_model_stopped_is_told(provider: Provider, emulator: RunningEmulator, reason: str) -> None:
    emulator.script([{"action": {"do": "finish", "reason": reason}}])
    completion = await provider.complete(a_call())
    assert completion.finish_reason == reason
    assert completion.usage is not None


async def test_a_content_filter_is_told(adapter: Adapter, provider: Provider, emulator: RunningEmulator) -> None:
    emulator.script([{"action": {"do": "finish", "reason": "content_filter"}}])
    completion = await provider.complete(a_call())
    expected = "content-filter" if adapter.protocol == "chat-completions" else "refusal"
    assert completion.finish_reason == expected


async def test_a_missing_receipt_is_not_told_usage(provider: Provider, emulator: RunningEmulator) -> None:
    emulator.script([{"action": {"do": "garbage", "what": "missing-usage"}}])
    completion = await provider.complete(a_call())
    assert completion.text
    assert completion.usage is None


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"status": 400}, Refused),
        ({"status": 401}, Unauthorized),
        ({"status": 402}, OutOfCredit),
        ({"status": 403}, Unauthorized),
        ({"status": 404}, NoSuchModel),
        ({"status": 408}, TimedOut),
        ({"status": 409}, ServerError),
        ({"status": 413}, Refused),
        ({"status": 422}, Refused),
        ({"status": 429}, Throttled),
        ({"status": 500}, ServerError),
        ({"status": 502}, ServerError),
        ({"status": 503}, Overloaded),
        ({"status": 504}, ServerError),
        ({"status": 529}, Overloaded),
        ({"status": 429, "body": "<html>slow down</html>"}, Throttled),
        ({"status": 500, "body": ""}, ServerError),
        ({"status": 500, "body": '{"error": [1, {"message": 2}]}'}, ServerError),
        ({"status": 307, "headers": {"location": "/v1/elsewhere"}}, Refused),
        ({"kind": "insufficient_quota"}, OutOfCredit),
        ({"kind": "spend_limit"}, OutOfCredit),
        ({"kind": "context_length"}, Refused),
        ({"kind": "content_policy"}, Refused),
    ],
)
async def test_a_refusal_has_the_class_that_says_what_to_do(
    provider: Provider, emulator: RunningEmulator, action: dict[str, object], expected: type[ProviderError]
) -> None:
    emulator.script([{"action": {"do": "status", **action}}])
    error = await failure(provider, a_call())
    assert type(error) is expected
    assert error.status == emulator.bill()[0]["status"]
    assert KEY not in error.detail
    assert len(emulator.bill()) == 1, "the redirect was followed, or the call was repeated"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"retry_after": 30}, 30.0),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after_ms": 250}, 0.25),
        ({"retry_after_date": 90}, 90.0),
        ({"retry_after": 86_400}, 86_400.0),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        ({}, None),
    ],
)
async def test_the_providers_wish_to_wait_is_told_in_seconds(
    provider: Provider, emulator: RunningEmulator, asked: dict[str, object], expected: float | None
) -> None:
    emulator.script([{"action": {"do": "status", "status": 429, **asked}}])
    error = await failure(provider, a_call())
    assert error.retry_after == (
        None if expected is None else pytest.approx(expected, abs=1.5 * ("retry_after_date" in asked))
    )


@pytest.mark.parametrize("what", ["html", "invalid-json", "empty-body", "null-content", "wrong-type", "not-http"])
async def test_an_answer_that_is_none_is_malformed(provider: Provider, emulator: RunningEmulator, what: str) -> None:
    emulator.script([{"action": {"do": "garbage", "what": what}}])
    assert type(await failure(provider, a_call())) is Malformed


async def test_no_choices_are_malformed_and_no_blocks_are_an_answer_without_text(
    adapter: Adapter, provider: Provider, emulator: RunningEmulator
) -> None:
    emulator.script([{"action": {"do": "garbage", "what": "empty-choices"}}])
    if adapter.protocol == "chat-completions":
        assert type(await failure(provider, a_call())) is Malformed
    else:
        completion = await provider.complete(a_call())
        assert completion.text == ""
        assert completion.usage is not None


@pytest.mark.parametrize(
    "action",
    [
        {"do": "garbage", "what": "huge", "bytes": 50_000_000},
        {"do": "garbage", "what": "gzip-bomb", "bytes": 100_000_000},
    ],
    ids=["huge", "gzip-bomb"],
)
async def test_an_answer_past_the_bound_is_not_read(
    provider: Provider, emulator: RunningEmulator, action: dict[str, object]
) -> None:
    emulator.script([{"action": action}])
    assert type(await failure(provider, a_call())) is Malformed


@pytest.mark.parametrize(
    "action",
    [
        {"do": "cut", "after_bytes": 0},
        {"do": "cut", "after_bytes": 20},
        {"do": "cut", "after_bytes": 20, "how": "reset"},
        {"do": "reset"},
    ],
    ids=["after-the-head", "in-the-body", "reset-in-the-body", "reset-before-the-head"],
)
async def test_a_connection_that_breaks_under_way_is_cut(
    provider: Provider, emulator: RunningEmulator, action: dict[str, object]
) -> None:
    emulator.script([{"action": action}])
    error = await failure(provider, a_call())
    assert type(error) is Cut
    assert error.maybe_billed
    assert len(emulator.bill()) == 1


@pytest.mark.parametrize(
    "action",
    [{"do": "hang"}, {"do": "hang", "after_bytes": 10}, {"do": "drip", "bytes": 1, "every": "50ms"}],
    ids=["silence", "silence-in-the-body", "drop-by-drop"],
)
async def test_the_time_is_for_the_whole_call(
    provider: Provider, emulator: RunningEmulator, action: dict[str, object]
) -> None:
    emulator.script([{"action": action}])
    began = time.monotonic()
    error = await failure(provider, a_call(timeout=0.3))
    assert type(error) is TimedOut
    assert 0.25 < time.monotonic() - began < 3.0
    await until(lambda: emulator.stats()["abandoned"] == 1)


async def test_a_call_without_time_is_not_made(provider: Provider, emulator: RunningEmulator) -> None:
    assert type(await failure(provider, a_call(timeout=0.0))) is TimedOut
    assert emulator.bill() == []


async def test_nobody_listening_is_unreachable_and_unbilled(adapter: Adapter) -> None:
    with socket(AF_INET, SOCK_STREAM) as unused:
        unused.bind(("127.0.0.1", 0))
        provider = adapter.open(f"http://127.0.0.1:{unused.getsockname()[1]}")
        error = await failure(provider, a_call())
        assert type(error) is Unreachable
        assert not error.maybe_billed
        await provider.aclose()


async def test_a_server_that_takes_no_connection_is_unreachable_soon(adapter: Adapter) -> None:
    with socket(AF_INET, SOCK_STREAM) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket(AF_INET, SOCK_STREAM) for _ in range(8)]
        for client in waiting:
            client.setblocking(False)
            with suppress(BlockingIOError):
                client.connect(address)
        provider = adapter.open(f"http://127.0.0.1:{address[1]}", bounds=Bounds(connect_seconds=0.3))
        assert type(await failure(provider, a_call())) is Unreachable
        await provider.aclose()
        for client in waiting:
            client.close()


async def test_cancelling_closes_the_connection(provider: Provider, emulator: RunningEmulator) -> None:
    emulator.script([{"action": {"do": "hang"}}])
    task = asyncio.create_task(provider.complete(a_call()))
    await until(lambda: len(emulator.bill()) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: emulator.stats()["abandoned"] == 1)


async def test_a_provider_serves_on_after_every_kind_of_failure(provider: Provider, emulator: RunningEmulator) -> None:
    emulator.script([{"action": {"do": "reset"}, "times": 1}, {"action": {"do": "cut", "after_bytes": 5}, "times": 1}])
    await failure(provider, a_call())
    await failure(provider, a_call())
    assert (await provider.complete(a_call())).text


async def test_256_calls_run_at_once(adapter: Adapter, tmp_path: Path) -> None:
    with running_emulator(tmp_path / "bill.jsonl", latency="500ms") as emulator:
        provider = adapter.open(emulator.url)
        calls = [a_call(request_id=f"request-{n}") for n in range(256)]
        began = time.monotonic()
        completions = await asyncio.gather(*(provider.complete(call) for call in calls))
        assert time.monotonic() - began < 5.0
        await provider.aclose()
        lines = emulator.bill()
        assert {line["attempt_id"] for line in lines} == {str(call.attempt_id) for call in calls}
        assert len(lines) == 256
        assert emulator.stats()["max_in_flight"] >= 256
        assert len({completion.text for completion in completions}) == 256


@pytest.mark.parametrize("key", [KEY, None])
async def test_a_key_is_sent_where_there_is_one(
    adapter: Adapter, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "from-the-environment")
    heads: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as listening:
        provider = adapter.open(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", key=key)
        await failure(provider, a_call())
        await provider.aclose()
    (head,) = heads
    assert (f"authorization: bearer {KEY}\r\n" in head) == (key is not None)
    assert "from-the-environment" not in head
    assert "accept-encoding: identity\r\n" in head


async def test_closing_twice_is_closing_once(adapter: Adapter, emulator: RunningEmulator) -> None:
    provider = adapter.open(emulator.url)
    await provider.complete(a_call())
    await provider.aclose()
    await provider.aclose()
    await adapter.open(emulator.url).aclose()
