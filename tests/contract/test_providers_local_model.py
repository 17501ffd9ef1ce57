"""The same promises on a real language model, and every prompt of ours on it."""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import date
from socket import AF_INET, SOCK_STREAM, socket
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from tests.unit.prompts.requested import requested

from fanzgpt_workers.ports import Completion, Provider, ProviderCall
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.opening import Transport, open_providers

READY_WITHIN = 60.0


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with socket(AF_INET, SOCK_STREAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fanzgpt_stack.local_model", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + READY_WITHIN
        while not answers(url):
            assert process.poll() is None, "the local model did not start"
            assert time.monotonic() < deadline, "the local model was not ready in time"
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            process.kill()


def answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=1) as response:  # noqa: S310  # our own address
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


@pytest.fixture(params=["sdk", "wire"], scope="module")
async def provider(request: pytest.FixtureRequest, model_url: str) -> AsyncIterator[Provider]:
    transport: Transport = request.param
    endpoint = Endpoint(name="local", protocol="chat-completions", base_url=f"{model_url}/v1")
    opened = open_providers([endpoint], transport=transport)["local"]
    yield opened
    await opened.aclose()


async def answered(provider: Provider, generation_type: str) -> tuple[Completion, object]:
    library = PromptLibrary(today=lambda: date(2026, 11, 23))
    request = requested(generation_type)
    call = ProviderCall(
        model="smollm2",
        prompt=library.render(request),
        max_tokens=480,
        temperature=0.0,  # sampled, the smallest model may ramble to the token limit
        timeout=60.0,
        request_id="r-1",
        attempt_id=uuid4(),
    )
    completion = await provider.complete(call)
    return completion, library.read(request, completion)


@pytest.mark.parametrize("generation_type", ["conversation-starters", "content-calendar", "performance-analysis"])
async def test_the_smallest_model_fills_every_schema(provider: Provider, generation_type: str) -> None:
    completion, output = await answered(provider, generation_type)
    assert completion.finish_reason == "stop"
    assert output


async def test_the_smallest_model_writes_text(provider: Provider) -> None:
    completion, output = await answered(provider, "social-post")
    assert output
    assert completion.usage is not None
    assert completion.usage.output > 0
