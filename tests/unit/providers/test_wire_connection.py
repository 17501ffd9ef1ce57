"""The wire adapters' own HTTP: what an answer may look like, and when a connection carries the next call."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from fanzgpt_workers.errors import ConfigurationError, Cut, Malformed, Unreachable
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import Answer
from fanzgpt_workers.providers.wire.direct import DirectSession
from fanzgpt_workers.providers.wire.session import wire_session

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Server:
    """Answers every request of a session with the next of its pieces; counts connections."""

    answers: list[tuple[bytes, ...]]
    session: DirectSession = field(init=False)
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    closes: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                for piece in self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def served(
    *answers: tuple[bytes, ...], closes: bool = False, context: ssl.SSLContext | None = None, **bounds: float
) -> AsyncIterator[tuple[Server, Callable[[], "asyncio.Future[Answer]"]]]:
    """A server, and a function that posts to it over one session."""
    server = Server(list(answers), closes=closes)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        scheme = "http" if context is None else "https"
        chosen = Bounds(**bounds)  # type: ignore[arg-type]  # the tests give whole numbers where they are wanted
        session = server.session = DirectSession(
            chosen, url=URL(f"{scheme}://127.0.0.1:{server.port}/v1/x?a=b"), headers={"K": "v"}
        )
        yield server, lambda: asyncio.ensure_future(session.post({"n": 1}, {"Name": "value"}))
        await session.aclose()


async def test_a_request_is_one_line_its_headers_and_its_body() -> None:
    async with served((OK,)) as (server, post):
        answer = await post()
        assert (answer.status, answer.content) == (200, b"{}")
        assert server.requests == [
            f"POST /v1/x?a=b HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nK: v\r\nName: value\r\n".encode()
            + b'Content-Length: 7\r\n\r\n{"n":1}'
        ]


async def test_one_connection_carries_one_call_after_another() -> None:
    async with served((OK,)) as (server, post):
        for _ in range(5):
            await post()
        assert (server.connections, len(server.requests)) == (1, 5)


@given(cuts=st.sets(st.integers(min_value=1, max_value=120)))
async def test_an_answer_may_come_in_any_pieces(cuts: set[int]) -> None:
    text = (
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 201 Made\r\nX-Name: one\r\nx-name: two\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = tuple(text[a:b] for a, b in pairwise(places))
    async with served(pieces) as (server, post):
        for _ in range(2):
            answer = await post()
            assert (answer.status, answer.content, answer.headers["x-name"]) == (201, b"abcde", "one")
        assert server.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with served((b"HTTP/1.1 200 OK\r\n\r\nall ", b"of it"), closes=True) as (server, post):
        assert (await post()).content == b"all of it"
        assert (await post()).content == b"all of it"
        assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", id="told-to-close"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", id="http-1.0"),
        pytest.param(OK + OK, id="a-second-answer"),
        pytest.param(OK + b"what is this", id="more-bytes"),
    ],
)
async def test_a_connection_that_cannot_be_trusted_carries_no_other_call(answer: bytes) -> None:
    async with served((answer,)) as (server, post):
        for _ in range(2):
            told = await post()
            assert (told.status, told.content) == (200, b"{}")
        assert server.connections == 2


async def test_connections_that_were_idle_too_long_are_not_used() -> None:
    async with served((OK,), keepalive_seconds=0.0) as (server, post):
        await post()
        await post()
        assert server.connections == 2


async def test_a_connection_that_the_server_closed_is_not_used() -> None:
    async with served((OK,), closes=True) as (server, post):
        for _ in range(3):
            await post()
            async with asyncio.timeout(5):
                while any(connection.is_idle for connection in server.session._idle):
                    await asyncio.sleep(0)
        assert server.connections == 3


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", Cut, id="shorter-than-told"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab", Cut, id="chunk-cut"),
        pytest.param(b"HTTP/1.1 200", Cut, id="in-the-head"),
        pytest.param(b"ICY 200 OK\r\n\r\n", Malformed, id="another-protocol"),
        pytest.param(b"HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Malformed, id="upgrade"),
        pytest.param(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000, Malformed, id="endless-head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", Malformed, id="told-too-large"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 200_000, Malformed, id="too-large"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", Malformed, id="compressed"),
    ],
)
async def test_what_is_no_whole_answer_is_told_apart(answer: bytes, meaning: type[Exception]) -> None:
    async with served((answer,), closes=True, answer_bytes=10_000) as (_, post):
        with pytest.raises(meaning):
            await post()


async def test_calls_wait_for_a_connection_where_all_are_in_use() -> None:
    async with served((OK,), connections=2) as (server, post):
        await asyncio.gather(*(post() for _ in range(20)))
        assert server.connections <= 2
        assert len(server.requests) == 20


@pytest.mark.parametrize("key", ["two\r\nlines", "Bärbel"])
async def test_a_key_that_could_leave_its_header_is_refused(key: str) -> None:
    endpoint = Endpoint(name="theirs", protocol="messages", base_url="http://127.0.0.1:1", api_key=key)
    with pytest.raises(ConfigurationError, match="Authorization"):
        wire_session(endpoint, Bounds(), url="http://127.0.0.1:1/v1", headers={})


async def test_over_tls_the_servers_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certified(tmp_path)
    async with served((OK,), context=context) as (_, post):
        with pytest.raises(Unreachable, match="certificate"):
            await post()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with served((OK,), context=context) as (server, post):
        for _ in range(2):
            assert (await post()).content == b"{}"
        assert server.connections == 1


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A context for a server at 127.0.0.1, and its own authority's certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / "certificate.pem", folder / "key.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return context, file
