"""An image reaches both makers as each wants it, over SDK and wire, and is priced."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from tests.contract.test_providers import ADAPTERS, Adapter, a_call, failure
from tests.unit.images.pictured import picture

from fanzgpt_stack.emulator.calls import TOKENS_PER_IMAGE
from fanzgpt_stack.emulator.testing import RunningEmulator, running_emulator
from fanzgpt_workers.errors import Refused
from fanzgpt_workers.media_ports import showing
from fanzgpt_workers.ports import Image, Provider, ProviderCall

PNG = Image(media_type="image/png", data=picture())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    with running_emulator(tmp_path_factory.mktemp("emulator") / "bill.jsonl") as running:
        yield running


@pytest.fixture
def emulator(server: RunningEmulator) -> RunningEmulator:
    server.clear()
    return server


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: f"{adapter.transport}-{adapter.protocol}", scope="module")
async def provider(request: pytest.FixtureRequest, server: RunningEmulator) -> AsyncIterator[Provider]:
    adapter: Adapter = request.param
    opened = adapter.open(server.url)
    yield opened
    await opened.aclose()


def looking(image: Image) -> ProviderCall:
    call = a_call("What is in it?")
    return replace(call, prompt=showing(call.prompt, image))


@pytest.mark.parametrize("image", [PNG, Image(url="https://images.example/a.png")], ids=["bytes", "address"])
async def test_an_image_is_looked_at_and_charged(provider: Provider, emulator: RunningEmulator, image: Image) -> None:
    plain = await provider.complete(a_call("What is in it?"))
    seen = await provider.complete(looking(image))
    assert seen.text.startswith("emu-")
    assert seen.usage is not None
    assert plain.usage is not None
    assert seen.usage.input == plain.usage.input + TOKENS_PER_IMAGE
    assert [line["billed"] for line in emulator.bill()] == [True, True]


async def test_an_answer_about_an_image_comes_in_pieces_too(provider: Provider, emulator: RunningEmulator) -> None:
    pieces: list[str] = []
    completion = await provider.complete(replace(looking(PNG), grown=pieces.append))
    assert "".join(pieces) == completion.text
    assert len(pieces) > 1
    assert len(emulator.bill()) == 1


async def test_an_image_of_a_kind_that_nobody_takes_is_refused(provider: Provider, emulator: RunningEmulator) -> None:
    error = await failure(provider, looking(replace(PNG, media_type="image/tiff")))
    assert isinstance(error, Refused)
    assert [line["billed"] for line in emulator.bill()] == [False]
