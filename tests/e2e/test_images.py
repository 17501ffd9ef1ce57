"""Images through the whole path: fetched within the rules, looked at by a provider, or described without one."""

from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.processes import worker
from tests.unit.images.pictured import answer, listening, picture

from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import RequestFailed
from fanzgpt_stack.emulator.calls import TOKENS_PER_IMAGE
from fanzgpt_stack.emulator.testing import RunningEmulator

SEEING = {"FEATURE_IMAGE_ANALYSIS": "true", "IMAGE_URL_SCHEMES": "http", "IMAGE_URL_NETWORKS": "127.0.0.2/32"}


async def test_an_image_is_fetched_and_analysed_and_one_at_a_forbidden_address_is_not(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    user = str(uuid4())
    async with (
        listening(lambda _path: answer(picture("JPEG")), host="127.0.0.2") as images,
        listening(lambda _path: answer(picture())) as trap,
        GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client,
    ):
        with worker("generation", {**environ, **SEEING}, tmp_path):
            asked = {"imageUrl": f"{images.url}/beach.jpg", "analysisType": "composition"}
            handle = await client.request("image-analysis", user_id=user, input=asked)
            analysed = await handle.result(timeout=30)
            forbidden = {"imageUrl": f"{trap.url}/a.png", "analysisType": "mood"}
            refused = await client.request("image-analysis", user_id=user, input=forbidden)
            with pytest.raises(RequestFailed) as caught:
                await refused.result(timeout=30)
        assert images.asked == ["/beach.jpg"]
        assert trap.connections == 0
    assert analysed.output["analysis"]
    assert analysed.input == asked
    assert analysed.metadata.prompt_version == "image-analysis/1"
    assert (analysed.metadata.model_extra or {}).get("standIn") is None
    [line] = [line for line in emulator.bill() if line["request_id"] == analysed.request_id]
    assert line["input_tokens"] > TOKENS_PER_IMAGE
    assert not [line for line in emulator.bill() if line["request_id"] == refused.request_id]
    assert "127.0.0" not in str(caught.value)


async def test_the_stand_in_describes_an_image_and_says_that_it_is_none(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    async with (
        listening(lambda _path: answer(picture()), host="127.0.0.2") as images,
        GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client,
    ):
        with worker("generation", {**environ, **SEEING, "AI_IMAGE_PROVIDER": "stand-in"}, tmp_path):
            asked = {"imageUrl": f"{images.url}/a.png", "analysisType": "colours"}
            handle = await client.request("image-analysis", user_id=str(uuid4()), input=asked)
            described = await handle.result(timeout=30)
    assert "64 x 32 pixels" in str(described.output["analysis"])
    assert (described.metadata.provider, described.metadata.model) == ("stand-in", "image-facts-1")
    assert (described.metadata.model_extra or {})["standIn"] is True
    assert described.metadata.cost_usd is None
    assert emulator.bill() == []
