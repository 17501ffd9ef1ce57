"""The listening server: one loop, one bill, and no answer that is not on it."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import orjson
import uvloop

from fanzgpt_stack.emulator.answers import Author
from fanzgpt_stack.emulator.anthropic_batches import AnthropicBatches
from fanzgpt_stack.emulator.anthropic_shape import AnthropicShape
from fanzgpt_stack.emulator.batch_jobs import BatchFaults, Jobs
from fanzgpt_stack.emulator.bill import Bill
from fanzgpt_stack.emulator.connection import Connection
from fanzgpt_stack.emulator.control import PREFIX, Control
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.limits import Limits
from fanzgpt_stack.emulator.openai_batches import OpenAIBatches
from fanzgpt_stack.emulator.openai_shape import OpenAIShape
from fanzgpt_stack.emulator.prices import price_of
from fanzgpt_stack.emulator.provider import Pace, Provider
from fanzgpt_stack.emulator.replies import Reply, whole
from fanzgpt_stack.emulator.scripts import Rule, Script
from fanzgpt_stack.emulator.stored_completions import StoredCompletions
from fanzgpt_stack.emulator.traffic import Traffic

_BACKLOG = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an emulator is set up. `port` 0 takes a free one.

    Limits are per minute and key, `concurrent` for all callers together; None for none.
    """

    host: str
    port: int
    bill: Path
    pace: Pace
    rpm: int | None = None
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    concurrent: int | None = None
    words: int = 24
    seed: int = 0
    batch_seconds: float = 0.0
    rules: tuple[Rule, ...] = ()
    ready_file: Path | None = None


class CannotListen(Exception):
    """The address is taken or not ours."""


def serve(options: Options, *, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` gets the port; raises CannotListen and BillUnwritable."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, ready))


async def _serve(options: Options, ready: Callable[[int], None]) -> None:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_, _stop, stopped, None)
    # What nobody expected ends the emulator: better none than one that is wrong about a call.
    loop.set_exception_handler(lambda _, context: _fail(stopped, context))
    bill = Bill(options.bill)
    # The price list takes most of a second to read: not in the first call's time.
    price_of("openai", "gpt-4o-mini")
    desk = _Desk(options, bill)
    try:
        server = await loop.create_server(desk.connection, options.host, options.port, backlog=_BACKLOG)
    except OSError as error:
        raise CannotListen(f"{options.host}:{options.port} cannot be listened on: {error.strerror}") from error
    port = int(server.sockets[0].getsockname()[1])
    if options.ready_file is not None:
        _announce(options.ready_file, port)
    ready(port)
    try:
        await stopped
    finally:
        server.close()
        bill.close()


class _Desk:
    """Holds replies back until the calls that they answer are on the bill."""

    def __init__(self, options: Options, bill: Bill) -> None:
        script = Script(options.rules)
        self._traffic = Traffic(clock=time.monotonic)
        limits = Limits(
            {
                "requests": options.rpm,
                "tokens": options.tpm,
                "input-tokens": options.input_tpm,
                "output-tokens": options.output_tpm,
            },
            concurrent=options.concurrent,
            in_flight=self._traffic.in_flight,
            clock=time.monotonic,
        )
        faults, author = BatchFaults(seconds=options.batch_seconds), Author(words=options.words)
        self._control = Control(bill=bill, script=script, limits=limits, traffic=self._traffic, batches=faults)
        kept = partial(Jobs, author=author, bill=bill, script=script, faults=faults, now=time.time)
        stored = StoredCompletions(now=time.time)
        self._others = (
            OpenAIBatches(kept(shape=OpenAIShape())),
            AnthropicBatches(kept(shape=AnthropicShape())),
            stored,
        )
        self._provider = Provider(
            bill=bill,
            script=script,
            limits=limits,
            author=author,
            pace=options.pace,
            random=Random(options.seed),  # noqa: S311  # repeatable, not secret
            now=time.time,
            stored=stored,
        )
        self._bill = bill
        self._loop = asyncio.get_running_loop()
        self._held: list[tuple[Connection, HttpRequest, Reply, Callable[[bool], None]]] = []

    def connection(self) -> Connection:
        return Connection(self._receive)

    def _receive(self, connection: Connection, request: HttpRequest) -> None:
        if not self._held:
            self._loop.call_soon(self._release)
        shape = self._provider.shape_at(request.path)
        if shape is not None and request.method == "POST":
            self._traffic.began()
            self._held.append((connection, request, self._provider.receive(request, shape), self._traffic.ended))
        else:
            self._held.append((connection, request, self._aside(request), _uncounted))

    def _aside(self, request: HttpRequest) -> Reply:
        """The reply to what is no call of a model."""
        if request.path.startswith(PREFIX):
            return self._control.reply(request)
        if request.path == "/v1/models" and request.method == "GET":
            return whole(200, orjson.dumps(self._provider.models(request)))
        for part in self._others:
            if (reply := part.reply(request)) is not None:
                return reply
        return whole(404, orjson.dumps({"error": {"message": f"Invalid URL ({request.method} {request.path})"}}))

    def _release(self) -> None:
        """Once per turn of the loop: one write for every call that arrived in it, then their replies."""
        self._bill.flush()
        held, self._held = self._held, []
        for connection, request, reply, ended in held:
            connection.play(reply, keep_alive=request.keep_alive, ended=ended)


def _uncounted(_: bool) -> None:
    """The end of what is no call of a model."""


def _stop(stopped: asyncio.Future[None], result: None) -> None:
    if not stopped.done():
        stopped.set_result(result)


def _fail(stopped: asyncio.Future[None], context: dict[str, object]) -> None:
    error = context.get("exception")
    if not stopped.done():
        stopped.set_exception(error if isinstance(error, Exception) else RuntimeError(str(context.get("message"))))


def _announce(file: Path, port: int) -> None:
    """Write the ready file, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_bytes(orjson.dumps({"port": port, "pid": os.getpid()}))
    draft.replace(file)
