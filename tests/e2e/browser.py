"""A headless Chromium, driven over its own protocol."""

import asyncio
import base64
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
STARTS_WITHIN = 40.0


class Page:
    """One page. What its console says as an error, and what its policy forbids, is kept in `errors`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = iter(range(1, 1_000_000))
        self.errors: list[str] = []

    async def send(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol; its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.errors.append(message["params"]["entry"]["text"])
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(str(message["params"]["exceptionDetails"]))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        result = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def picture(self) -> bytes:
        """The page as it looks, as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])

    async def until(self, script: str, *, seconds: float = 20) -> Any:
        """The expression's value, once it is true."""
        end = time.monotonic() + seconds
        while not (value := await self.run(script)):
            assert time.monotonic() < end, f"{script}: not true in time; {self.errors}"
            await asyncio.sleep(0.05)
        return value


@asynccontextmanager
async def page(url: str, folder: Path) -> AsyncIterator[Page]:
    """A page that shows `url`; the browser ends with the block."""
    assert CHROMIUM is not None
    switches = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    switches.append("--window-size=1280,900")
    command = [CHROMIUM, *switches, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        told = folder / "DevToolsActivePort"
        end = time.monotonic() + STARTS_WITHIN
        while not (told.exists() and told.read_text().count("\n")):
            assert time.monotonic() < end, "the browser did not start"
            await asyncio.sleep(0.05)
        port = told.read_text().splitlines()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                target = next(one for one in await response.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                shown = Page(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await shown.send(f"{domain}.enable")
                await shown.send("Page.navigate", url=url)
                yield shown
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
