"""Gateways as a person starts them, and callers who know them from the contract alone."""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from tests.e2e.processes import FANZGPT, wait_ready

KEY = "a-service-key-of-decent-length"
SECRET = "a-secret-for-tokens-that-has-more-than-32-bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningGateway:
    """A gateway that takes calls."""

    process: "subprocess.Popen[bytes]"
    port: int
    metrics_port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def starting_gateway(environ: Mapping[str, str], log: Path, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A gateway that may still be far from ready; killed with the block if it still runs then."""
    own = {
        "PORT": "0",
        "METRICS_PORT": "0",
        "FANZ_GPT_API_KEY": KEY,
        "JWT_SECRET": SECRET,
        "RATE_LIMIT_REQUESTS": "100000",
    }
    with log.open("ab") as output:
        process = subprocess.Popen(
            [FANZGPT, "gateway"], env={**environ, **own, **settings}, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


@contextmanager
def gateway(environ: Mapping[str, str], folder: Path, **settings: str) -> Iterator[RunningGateway]:
    """One gateway that takes calls."""
    name = f"gateway-{uuid4().hex[:6]}"
    ready, log = folder / f"{name}.json", folder / f"{name}.log"
    with starting_gateway(environ, log, READY_FILE=str(ready), **settings) as process:
        wait_ready(process, ready, log)
        told = json.loads(ready.read_text())
        yield RunningGateway(process=process, port=told["port"], metrics_port=told["metricsPort"], log=log)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Caller:
    """An ordinary HTTP client of a gateway, with a token."""

    def __init__(self, url: str, token: str | None, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def post(self, path: str, body: object = None, *, seconds: float = 30, **headers: str) -> Reply:
        return await self.call("POST", path, body, seconds=seconds, **headers)

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.call("GET", path, **headers)

    async def delete(self, path: str, **headers: str) -> Reply:
        return await self.call("DELETE", path, **headers)

    async def call(self, method: str, path: str, body: object = None, *, seconds: float = 30, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method,
            self.url + path,
            data=body if isinstance(body, bytes | None) else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **self.headers, **named},
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as response:
            text = await response.read()
            known = response.content_type == "application/json"
            return Reply(response.status, json.loads(text) if known else text, response.headers)


def token(claims: Mapping[str, object], *, secret: str = SECRET, header: Mapping[str, object] | None = None) -> str:
    """A token signed with a secret, made without any library of ours or the gateway's."""
    full = {"exp": int(time.time()) + 86_400, "permissions": ["ai:use"], "role": "creator", **claims}
    parts = [part(header or {"alg": "HS256", "typ": "JWT"}), part(full)]
    signature = hmac.new(secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, encoded(signature)])


def part(value: object) -> str:
    """One part of a token."""
    return encoded(json.dumps(value, separators=(",", ":")).encode())


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def request_id() -> str:
    """As the existing clients make it: milliseconds, a dash and nine letters."""
    return f"{time.time_ns() // 1_000_000}-{uuid4().hex[:9]}"


async def until(found: Any, *, seconds: float = 20) -> Any:
    """Poll an async question until its answer is true."""
    end = time.monotonic() + seconds
    while True:
        answer = await found()
        if answer:
            return answer
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.02)
