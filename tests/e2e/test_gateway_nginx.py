"""Three replicas behind Debian's nginx, with the configuration that is deployed."""

import asyncio
import re
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from tests.e2e.gateways import KEY, Caller, RunningGateway, gateway, request_id, token
from tests.e2e.processes import worker
from tests.e2e.waiting import beside

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "fanzgpt.conf"
POST = "/api/ai/content/social-post"
FIELDS = {"topic": "morning workout", "platform": "instagram"}


def test_it_says_what_the_contract_asks_of_nginx() -> None:
    text = CONFIGURATION.read_text()
    assert "least_conn;" in text
    assert len(re.findall(r"^    server gateway-\d:3100 ", text, re.MULTILINE)) == 3
    assert {"proxy_send_timeout 30s;", "proxy_read_timeout 30s;"} <= {line.strip() for line in text.splitlines()}
    for name in ("Host $host", "X-Real-IP $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for"):
        assert f"proxy_set_header {name};" in text


@contextmanager
def nginx(replicas: list[RunningGateway], folder: Path) -> Iterator[str]:
    """The deployed configuration with this machine's addresses; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = CONFIGURATION.read_text().replace("listen 80;", f"listen 127.0.0.1:{port};")
    for number, replica in enumerate(replicas, 1):
        text = text.replace(f"gateway-{number}:3100", f"127.0.0.1:{replica.port}")
    temporary = "".join(
        f"{each}_temp_path {folder}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "nginx.conf"
    whole.write_text(
        f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;"
        f"events {{ worker_connections 1024; }} http {{ access_log off; {temporary}\n{text}\n}}"
    )
    command = [shutil.which("nginx") or "/usr/sbin/nginx", "-p", str(folder), "-c", str(whole)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=20, check=False)
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(command)
    try:
        until = time.monotonic() + 10
        while not _listens(port):
            assert time.monotonic() < until, (folder / "error.log").read_text()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


needs_nginx = pytest.mark.skipif(
    shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None, reason="nginx is not installed"
)


@needs_nginx
async def test_of_200_parallel_calls_of_one_user_on_three_replicas_exactly_100_are_admitted(
    environ: dict[str, str], tmp_path: Path
) -> None:
    contract = {"RATE_LIMIT_REQUESTS": "100"}  # for the worker too, which counts none of them again
    with ExitStack() as opened:
        opened.enter_context(worker("generation", {**environ, **contract}, tmp_path))
        started = [opened.enter_context(gateway(environ, tmp_path, **contract)) for _ in range(3)]
        async with (
            beside(nginx(started, tmp_path)) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            caller = Caller(url, token({"userId": f"user-{uuid4().hex[:8]}"}), session)
            replies = await asyncio.gather(*(caller.post(POST, FIELDS) for _ in range(200)))
            premium = Caller(url, token({"userId": f"user-{uuid4().hex[:8]}", "subscription": "premium"}), session)
            more = await asyncio.gather(*(premium.post(POST, FIELDS) for _ in range(250)))
    assert Counter(reply.status for reply in replies) == {200: 100, 429: 100}
    assert Counter(reply.status for reply in more) == {200: 200, 429: 50}
    refused = next(reply for reply in replies if reply.status == 429)
    assert refused.body["error"] == "Too many requests"
    assert 0 < int(refused.headers["Retry-After"]) <= 900


@needs_nginx
async def test_replicas_behind_nginx_answer_each_others_clients(environ: dict[str, str], tmp_path: Path) -> None:
    user = f"user-{uuid4().hex[:8]}"
    with ExitStack() as opened:
        started: list[RunningGateway] = []
        opened.enter_context(worker("generation", environ, tmp_path))
        for _ in range(3):
            one = gateway(environ, tmp_path, RATE_LIMIT_REQUESTS="60", TRUSTED_PROXIES="127.0.0.0/8")
            started.append(opened.enter_context(one))
        async with (
            beside(nginx(started, tmp_path)) as url,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            caller = Caller(url, token({"userId": user}), session)
            ids = [request_id() for _ in range(60)]
            replies = await asyncio.gather(*(caller.post(POST, FIELDS, X_Request_ID=each) for each in ids))
            assert {reply.status for reply in replies} == {200}
            read = await asyncio.gather(*(caller.get(f"/api/ai/requests/{each}") for each in ids))
            assert [each.body["output"]["post"] for each in read] == [reply.body["post"] for reply in replies]
            served = [
                await requests_served(Caller(f"http://127.0.0.1:{one.metrics_port}", None, session)) for one in started
            ]
            assert all(served), "every replica has taken its part"
            assert (await caller.post(POST, FIELDS)).status == 429
            later = await Caller(url, KEY, session).post(POST, {"userId": "u", **FIELDS}, Prefer="respond-async")
            assert later.headers["Location"] == f"/api/ai/requests/{later.body['requestId']}?userId=u"
            # Nobody notices that a replica is gone.
            started[0].process.kill()
            statuses = [(await caller.get(f"/api/ai/requests/{each}")).status for each in ids[:20]]
            assert set(statuses) == {200}
            assert (await caller.get("/health")).body["status"] == "healthy"


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


async def requests_served(own: Caller) -> float:
    """How many calls a replica has answered, by its own count."""
    text = (await own.get("/metrics")).body.decode()
    counts = re.findall(r"^fanzgpt_http_requests_total\{.*\} (\S+)$", text, re.MULTILINE)
    return sum(map(float, counts))
