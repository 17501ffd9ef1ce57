"""The playground, as a person uses it."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from tests.e2e.browser import CHROMIUM, Page, page
from tests.e2e.gateways import Caller, gateway, token
from tests.e2e.processes import upload_settings, worker
from tests.e2e.waiting import beside
from tests.unit.images.pictured import picture

from fanzgpt_stack.emulator.testing import RunningEmulator

TYPES = 8


async def fill(shown: Page, name: str, value: str) -> None:
    await shown.run(f"document.getElementById({json.dumps(name)}).value = {json.dumps(value)}")


@asynccontextmanager
async def playing(environ: dict[str, str], folder: Path) -> AsyncIterator[Page]:
    """The page before a running system, its choices loaded, with a person's token."""
    async with (
        beside(worker("generation", environ, folder)),
        beside(gateway(environ, folder)) as one,
        page(one.url + "/playground", folder / "browser") as shown,
    ):
        await shown.until(f"document.querySelectorAll('#endpoint option').length == {TYPES}")
        await fill(shown, "key", token({"userId": f"user-{uuid4().hex[:8]}"}))
        yield shown


WATCH = """(() => {
  window.lengths = [];
  const answer = document.getElementById('answer');
  new MutationObserver(() => window.lengths.push(answer.textContent.length))
    .observe(answer, { childList: true, characterData: true, subtree: true });
})()"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_a_person_sees_the_answer_being_made(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    emulator.script([{"action": {"do": "drip", "bytes": 400, "every": "60ms"}}])
    async with playing(environ, tmp_path) as shown:
        await fill(shown, "field-userId", "")
        await shown.run(WATCH)
        await shown.run("document.getElementById('send').click()")
        await shown.until("document.getElementById('way').innerText.includes('the first words')")
        (tmp_path / "made.png").write_bytes(await shown.picture())
        await shown.until("document.getElementById('way').innerText.includes('answered')")
        (tmp_path / "answered.png").write_bytes(await shown.picture())
        lengths = await shown.run("window.lengths")
        assert len(set(lengths)) > 4
        # It only grows, from nothing to the whole.
        assert lengths == sorted(lengths)
        assert shown.errors == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_a_person_brings_an_image_along_and_is_told_where_a_file_is_none(
    environ: dict[str, str], tmp_path: Path
) -> None:
    environ = {**environ, **upload_settings(tmp_path / "objects")}
    own, other = tmp_path / "own.png", tmp_path / "notes.png"
    own.write_bytes(picture("PNG", size=(40, 30)))
    other.write_text("these are no pixels")
    async with playing(environ, tmp_path) as shown:
        await choose(shown, "/api/v1/media/analyze-image")
        await fill(shown, "field-userId", "")
        await bring(shown, own)
        assert await shown.run("document.getElementById('field-imageUrl').disabled")
        await shown.run("document.getElementById('send').click()")
        way = "document.getElementById('way').innerText"
        await shown.until(f"{way}.includes('answered')")
        assert f"kept the image, {own.stat().st_size} bytes" in await shown.run(way)
        assert "40" in await shown.run("document.getElementById('answer').textContent")
        (tmp_path / "image.png").write_bytes(await shown.picture())
        await bring(shown, other)
        await shown.run("document.getElementById('send').click()")
        await shown.until(f"{way}.includes('ended: ')")
        assert "PNG" in await shown.run("document.getElementById('answer').textContent")
        assert [error for error in shown.errors if "422" not in error] == []


async def choose(shown: Page, path: str) -> None:
    """Choose what is asked for."""
    await shown.run(
        f"{{ const e = document.getElementById('endpoint'); e.value = {json.dumps(path)};"
        "  e.dispatchEvent(new Event('change')); }"
    )


async def bring(shown: Page, file: Path) -> None:
    """Choose a file, as in the browser's own dialogue."""
    found = await shown.send("Runtime.evaluate", expression="document.getElementById('image')")
    await shown.send("DOM.setFileInputFiles", files=[str(file)], objectId=found["result"]["objectId"])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_a_person_chooses_a_type_fills_the_form_and_sees_the_answer_its_cost_and_its_way(
    environ: dict[str, str], tmp_path: Path
) -> None:
    async with playing({**environ, "OPENAI_PRICED_AS": "openai"}, tmp_path) as shown:
        await shown.until("document.getElementById('health').textContent == 'healthy'")
        await fill(shown, "field-userId", "")
        await shown.run("document.getElementById('send').click()")
        way = "document.getElementById('way').innerText"
        await shown.until(f"{way}.includes('answered')")
        assert len(await shown.run("document.getElementById('answer').textContent")) > 20
        facts = await shown.run("document.getElementById('facts').innerText")
        assert all(word in facts for word in ("request", "time", "openai", "tokens", "cost"))
        await choose(shown, "/api/v1/chat/starters")
        await fill(shown, "field-count", "3")
        await shown.run("document.getElementById('send').click()")
        await shown.until(f"{way}.includes('answered')")
        assert len(json.loads(await shown.run("document.getElementById('answer').textContent"))) == 3
        await fill(shown, "key", "nobody's key")
        await shown.run("document.getElementById('send').click()")
        await shown.until(f"{way}.includes('Invalid token')")
        assert [error for error in shown.errors if "401" not in error] == []


async def test_the_page_asks_nothing_of_anybody_else(environ: dict[str, str], tmp_path: Path) -> None:
    async with beside(gateway(environ, tmp_path)) as one, aiohttp.ClientSession() as session:
        reply = await Caller(one.url, None, session).get("/playground")
        text = reply.body.decode()
        assert re.findall(r"https?://[^\s\"']+", text) == []
        assert re.findall(r"\s(?:on\w+|style|src)=", text) == []
        policy = reply.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert policy.count("sha256-") == 2
