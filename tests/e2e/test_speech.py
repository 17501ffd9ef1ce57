"""Images that are sent and speech that is made, through gateway, topics and worker: bytes in the store, never in an event."""

import asyncio
import base64
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from tests.e2e.gateways import Caller, RunningGateway, gateway, token
from tests.e2e.processes import worker
from tests.unit.images.pictured import picture

from fanzgpt_schemas.uploads import signature
from fanzgpt_stack.emulator.testing import RunningEmulator

SPEAK, LOOK, UPLOAD = "/api/v1/voice/synthesize", "/api/v1/media/analyze-image", "/api/v1/media/images"
SECRET = "a-key-that-signs-links-to-media"


@pytest.fixture
def own_environ(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return {
        **environ,
        "OPENAI_PRICED_AS": "openai",
        "FEATURE_IMAGE_ANALYSIS": "true",
        "FEATURE_VOICE_PROCESSING": "true",
        "OBJECT_STORE_URL": (tmp_path / "objects").as_uri(),
        "MEDIA_SIGNING_KEY": SECRET,
        "FANZ_GPT_URL": "http://gateway.example",
        "IMAGE_MAX_BYTES": "100000",
    }


@pytest.fixture
def door(own_environ: dict[str, str], tmp_path: Path) -> Iterator[RunningGateway]:
    with gateway(own_environ, tmp_path) as running, worker("generation", own_environ, tmp_path):
        yield running


async def test_speech_is_made_charged_kept_and_served_by_a_link_that_expires(
    door: RunningGateway, emulator: RunningEmulator, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        caller = Caller(door.url, token({"userId": f"user-{uuid4()}"}), session)
        reply = await caller.post(SPEAK, {"text": "Good morning!", "voice": "Nova", "format": "wav"})
        assert reply.status == 200, reply.body
        assert reply.body["format"] == "wav"
        [line] = [line for line in emulator.bill() if line["request_id"] == reply.body["requestId"]]
        assert (line["path"], line["model"], line["characters"]) == ("/v1/audio/speech", "tts-1", 13)
        assert reply.body["usage"]["costUsd"] == pytest.approx(line["cost_nanodollars"] / 1e9)
        assert "tokens" not in reply.body["usage"]

        link = reply.body["audioUrl"].removeprefix("http://gateway.example")
        stranger = Caller(door.url, None, session)  # the signature is all that is needed
        served = await stranger.get(link)
        assert (served.status, served.headers["Content-Type"]) == (200, "audio/wav")
        assert served.body.startswith(b"RIFF")
        assert [path.read_bytes() for path in (tmp_path / "objects" / "audio").iterdir()] == [served.body]

        path, _, query = link.partition("?")
        expires, signed = (part.partition("=")[2] for part in query.split("&"))
        late = str(int(expires) + 86_400)
        forged = [
            f"{path}?expires={late}&signature={signed}",
            f"{path}?expires={expires}&signature={signed[:-1]}0{signed[-1]}",
            f"{path}?expires={expires}",
            path,
            f"/media/uploads/x?expires={expires}&signature={signature('uploads/x', expires=int(expires), secret=SECRET.encode())}",
        ]
        assert [(await stranger.get(each)).status for each in forged] == [403] * len(forged)
        past = int(time.time()) - 1
        key = path.removeprefix("/media/")
        expired = f"{path}?expires={past}&signature={signature(key, expires=past, secret=SECRET.encode())}"
        assert (await stranger.get(expired)).status == 410


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"voice": "my-neighbour"}, "voice: there is alloy"),
        ({"format": "midi"}, "format: there is aac"),
        ({"text": "x" * 4_097}, "4,096"),
    ],
)
async def test_what_nobody_can_speak_is_refused_unpaid(
    door: RunningGateway, emulator: RunningEmulator, wrong: dict[str, str], words: str
) -> None:
    async with aiohttp.ClientSession() as session:
        caller = Caller(door.url, token({"userId": f"user-{uuid4()}"}), session)
        reply = await caller.post(SPEAK, {"text": "hello", "voice": "alloy", **wrong})
    assert reply.status == 422
    assert words in reply.body["message"]
    assert emulator.bill() == []


async def test_an_image_that_is_sent_is_analysed_for_its_own_user_and_for_no_other(
    door: RunningGateway, emulator: RunningEmulator, tmp_path: Path
) -> None:
    async with aiohttp.ClientSession() as session:
        mine = Caller(door.url, token({"userId": f"user-{uuid4()}"}), session)
        other = Caller(door.url, token({"userId": f"user-{uuid4()}"}), session)
        kept = await mine.post(UPLOAD, picture(size=(640, 480)), Content_Type="image/png")
        assert (kept.status, kept.body["mediaType"]) == (201, "image/png")
        asked = {"imageUrl": kept.body["imageUrl"], "analysisType": "mood"}
        analysed = await mine.post(LOOK, asked)
        assert analysed.status == 200, analysed.body
        refused = await other.post(LOOK, asked)
        assert (refused.status, refused.body["error"]) == (422, "Request rejected")
        assert "no such upload" in refused.body["message"]

        inline = "data:image/png;base64," + base64.b64encode(picture("JPEG")).decode()
        again = [await mine.post(LOOK, {**asked, "imageUrl": inline}, X_Request_ID="the-same") for _ in range(2)]
        assert [reply.status for reply in again] == [200, 200], again
        assert again[0].body["analysis"] == again[1].body["analysis"]
        wrong = [
            await mine.post(UPLOAD, b"<svg/>", Content_Type="image/png"),
            await mine.post(LOOK, {**asked, "imageUrl": "data:text/html;base64,AAAA"}),
            await mine.post(LOOK, {**asked, "imageUrl": "data:image/png;base64,!!!!"}),
        ]
        assert [reply.status for reply in wrong] == [422, 400, 400]
        assert (await mine.post(UPLOAD, b"\x89PNG\r\n\x1a\n" + b"[" * 100_000, Content_Type="image/png")).status == 413
    assert len(emulator.bill()) == 2
    assert len(list((tmp_path / "objects" / "uploads").rglob("*-*/*"))) == 2


async def test_without_a_store_nothing_is_spoken_or_kept_and_the_setting_is_named(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    bare = {**environ, "FEATURE_VOICE_PROCESSING": "true"}
    with gateway(bare, tmp_path) as running, worker("generation", bare, tmp_path):
        async with aiohttp.ClientSession() as session:
            caller = Caller(running.url, token({"userId": "u"}), session)
            replies = await asyncio.gather(
                caller.post(SPEAK, {"text": "hello", "voice": "alloy"}),
                caller.post(UPLOAD, picture(), Content_Type="image/png"),
            )
    assert [reply.status for reply in replies] == [422, 422]
    assert all("OBJECT_STORE_URL" in reply.body["message"] for reply in replies)
    assert emulator.bill() == []
