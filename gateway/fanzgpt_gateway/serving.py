"""uvicorn under our own signals: listening is told apart from serving, and a stop lets waiting calls end."""

import contextlib
import os
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from fanzgpt_gateway.configuring import Misconfigured

KEEP_ALIVE_SECONDS = 75  # above a proxy's own 60, so that it is the proxy that closes
BACKLOG = 2048


class Server(uvicorn.Server):
    """One listener; whoever runs the process takes the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take none."""
        yield


def listen(host: str, port: int, *, variables: str) -> socket.socket:
    """A socket that listens; raises Misconfigured, naming the variables, where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno or 0)
        raise Misconfigured((f'{variables}="{host}:{port}": {reason}; port 0 takes a free one',)) from error
    listener.setblocking(False)
    return listener


def server(app: ASGIApp, *, drain_seconds: float) -> Server:
    """A server for `app`; told to exit, it lets running calls end for `drain_seconds` and then cancels them."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
    )
    return Server(config)
