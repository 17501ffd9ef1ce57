"""`fanzgpt demo`: eight real requests through the real path, and the rows they become.

Exit codes: 0 every answer has its history row, its statistics and its analytics row; 1 one is missing.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from secrets import token_hex
from socket import socket
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid4

import typer

from fanzgpt_stack.cli import Home, home_of
from fanzgpt_stack.progress import tell

if TYPE_CHECKING:
    import asyncpg

    from fanzgpt_schemas.generation import GenerationCompleted
    from fanzgpt_schemas.requests import GenerationType

app = typer.Typer(add_completion=False, rich_markup_mode=None)

PROCESSES: Final = ("generation", "history-sink", "analytics-sink", "preferences-sink")
REQUESTS: Final[dict["GenerationType", dict[str, object]]] = {
    "social-post": {"topic": "morning workout", "platform": "instagram"},
    "personalized-message": {"recipientId": "fan-1", "context": "a first tip", "relationship": "subscriber"},
    "chat-response": {"message": "How was your day?"},
    "conversation-starters": {"count": 3},
    "content-calendar": {"timeframe": "3 days", "preferences": {"tone": "warm"}},
    "performance-analysis": {"timeframe": "last week"},
    "image-analysis": {"imageUrl": "", "analysisType": "composition"},
    "voice-synthesis": {"text": "Good morning, and welcome to the studio!", "voice": "alloy"},
}
SERVERS: Final = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL")
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, `kill`, a terminal that was closed
HTTP_PORT: Final = "3100"
READY_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 120.0
ROWS_SECONDS: Final = 30.0


@app.command()
def demo(
    home: Home = None, stay: Annotated[bool, typer.Option("--stay", help="Keep everything up until Ctrl-C.")] = False
) -> None:
    """Start everything, ask once for each type, show answers and rows, and stop again."""
    from fanzgpt_stack.servers import StackServers  # noqa: PLC0415  # heavy: only when the demonstration runs

    servers = StackServers(home_of(home), tell=tell)
    complete = False
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    try:
        endpoints = servers.up()
        # The processes find the stack as they always do, and a provider's key of the reader's own comes first.
        own = {name: value for name, value in os.environ.items() if name not in SERVERS}
        environ = {**own, "FANZGPT_HOME": str(servers.home), "METRICS_PORT": "0", "PORT": _http_port(own)}
        environ.setdefault("FANZ_GPT_URL", f"http://127.0.0.1:{environ['PORT']}")
        _run("db", "migrate", environ=environ)
        _run("topics", "apply", environ=environ)
        with TemporaryDirectory() as folder, ExitStack() as running:
            logs = servers.home / "logs"
            starting = [running.enter_context(_process(name, environ, Path(folder), logs)) for name in PROCESSES]
            for ready in starting:
                ready()
            complete = asyncio.run(_ask({**endpoints, **environ, **{name: endpoints[name] for name in SERVERS}}))
            if stay:
                _open_door(running, environ, Path(folder), logs)
                typer.echo("everything is up; Ctrl-C stops it")
                while True:  # rather than `signal.pause`, which a signal right before it would not end
                    sleep(1)
    except KeyboardInterrupt:
        typer.echo("stopping", err=True)
    finally:
        servers.down()
    if not complete:
        raise typer.Exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does, once: a second signal would cut short what takes everything down."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


async def _ask(environ: Mapping[str, str]) -> bool:
    import asyncpg  # noqa: PLC0415  # as above

    from fanzgpt_producers.client import GenerationClient  # noqa: PLC0415  # as above

    user, complete = str(uuid4()), True
    connection = await asyncpg.connect(environ["DATABASE_URL"])
    try:
        async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
            picture = await _uploaded_picture(environ, user)
            for kind, asked in REQUESTS.items():
                given = {**asked, "imageUrl": picture} if "imageUrl" in asked else asked
                began = monotonic()
                handle = await client.request(kind, user_id=user, input=given)
                answer = await handle.result(timeout=ANSWER_SECONDS)
                complete &= await _show(connection, answer, monotonic() - began)
        stats = await connection.fetchval("SELECT ai_usage_stats FROM users WHERE id = $1::text::uuid", user)
        typer.echo(f"\nusers.ai_usage_stats of {user}: {stats}")
        return complete and json.loads(stats or "{}").get("total_generations") == len(REQUESTS)
    finally:
        await connection.close()


async def _uploaded_picture(environ: Mapping[str, str], user: str) -> str:
    """A small picture among the user's uploads; its `imageUrl`."""
    from datetime import UTC, datetime  # noqa: PLC0415  # as above
    from io import BytesIO  # noqa: PLC0415  # as above
    from uuid import UUID  # noqa: PLC0415  # as above

    from PIL import Image  # noqa: PLC0415  # as above

    from fanzgpt_schemas.uploads import digest_of, upload_key, upload_url  # noqa: PLC0415  # as above
    from fanzgpt_workers.object_store import open_objects  # noqa: PLC0415  # as above

    into = BytesIO()
    Image.linear_gradient("L").convert("RGB").save(into, "PNG")
    data = into.getvalue()
    store = open_objects(
        environ["OBJECT_STORE_URL"],
        gateway_url=environ["FANZ_GPT_URL"],
        secret=environ["MEDIA_SIGNING_KEY"],
        now=lambda: datetime.now(UTC),
    )
    await store.put(upload_key(UUID(user), digest_of(data)), data, media_type="image/png")
    return upload_url(digest_of(data))


async def _show(connection: "asyncpg.Connection", answer: "GenerationCompleted", seconds: float) -> bool:
    """Print an answer with its rows; whether both rows came."""
    typer.echo(f"\n{answer.type}  ({seconds:.1f} s, {answer.metadata.provider}/{answer.metadata.model})")
    typer.echo(f"  {json.dumps(answer.output, ensure_ascii=False)[:600]}")
    until, history, analytics = monotonic() + ROWS_SECONDS, None, None
    while monotonic() < until and not (history and analytics):
        history = await connection.fetchval(
            "SELECT id::text FROM ai_generation_history WHERE metadata->>'requestId' = $1", answer.request_id
        )
        analytics = await connection.fetchval(
            "SELECT id::text FROM ai_analytics WHERE event_data->>'requestId' = $1", answer.request_id
        )
        await asyncio.sleep(0.05)
    typer.echo(f"  ai_generation_history {history or 'MISSING'}   ai_analytics {analytics or 'MISSING'}")
    return history is not None and analytics is not None


def _open_door(into: ExitStack, environ: Mapping[str, str], folder: Path, logs: Path) -> None:
    """The HTTP gateway, where it is installed: on PORT, else on 3100 if that is free; tell its address and its key."""
    if not entry_points(group="fanzgpt.commands", name="gateway"):
        return
    key = environ.get("FANZ_GPT_API_KEY") or token_hex(16)
    own = {**environ, "FANZ_GPT_API_KEY": key}
    into.enter_context(_process("gateway", own, folder, logs, words=("gateway",)))()
    url = f"http://127.0.0.1:{json.loads((folder / 'gateway.json').read_text())['port']}"
    typer.echo(f"\nthe API: {url}/api/v1, with the key {key}\na page to try it: {url}/playground")


def _http_port(environ: Mapping[str, str]) -> str:
    """PORT, else 3100 if that is free, else one that is: links to speech name it before the gateway is up."""
    wished = environ.get("PORT", "")
    if wished not in {"", "0"}:
        return wished
    if not wished and _is_free(HTTP_PORT):
        return HTTP_PORT
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def _is_free(port: str) -> bool:
    with socket() as tried:
        return tried.connect_ex(("127.0.0.1", int(port))) != 0


def _command() -> str:
    return str(Path(sys.executable).with_name("fanzgpt"))


def _run(*words: str, environ: Mapping[str, str]) -> None:
    subprocess.run([_command(), *words], env=environ, check=True, stdout=sys.stderr)  # noqa: S603  # our own command


@contextmanager
def _process(
    name: str, environ: Mapping[str, str], folder: Path, logs: Path, *, words: tuple[str, ...] = ()
) -> Iterator[Callable[[], None]]:
    """One process, starting: a worker, unless `words` say otherwise; drained when the block ends.

    What is given waits until it is ready.
    """
    log, ready = logs / f"{name}.log", folder / f"{name}.json"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [_command(), *(words or ("worker", name))],
            env={**environ, "READY_FILE": str(ready)},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    def wait() -> None:
        until = monotonic() + READY_SECONDS
        while not ready.exists():
            if process.poll() is not None or monotonic() > until:
                typer.echo(f"{name} did not start; its log: {log}", err=True)
                raise typer.Exit(1)
            sleep(0.02)
        tell(name, "ready")

    try:
        yield wait
    finally:
        process.terminate()
        try:
            process.wait(READY_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
