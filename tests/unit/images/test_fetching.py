"""Nobody is led to an address that only we can reach: counted by listeners at those addresses."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from tests.unit.images.pictured import answer, listening, picture

from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.images.addresses import AddressPolicy
from fanzgpt_workers.images.fetching import FetchBounds, ImageFetcher, Resolve, system_resolve

BOUNDS = FetchBounds(most_bytes=100_000, seconds=5)
ELSEWHERE = ip_network("203.0.113.0/24")  # allowed on purpose, so that any port is, and nothing of this machine
HERE = ip_network("127.0.0.2/32")
FORBIDDEN_HOSTS = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0177.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0.0.0.0",  # noqa: S104  # nobody listens there: it is asked
    "0",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "127.0.0.1.",
    "１２７.０.０.１",  # fullwidth digits, which are folded to plain ones on their way
    "127。0。0。1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "good@127.0.0.1",
    "good:secret@127.0.0.1",
    "good%40x@127.0.0.1",
)


def scripted(*answers: Sequence[str]) -> Resolve:
    """A resolver that answers so, one time after the other, and the last one ever after."""
    left = list(answers)

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


def fetcher(*inside: str, resolve: Resolve = system_resolve, bounds: FetchBounds = BOUNDS) -> ImageFetcher:
    networks = tuple(map(ip_network, inside)) or (ELSEWHERE,)
    policy = AddressPolicy(schemes=frozenset({"http", "https"}), inside=networks)
    return ImageFetcher(policy, bounds, resolve=resolve)


async def refusal(one: ImageFetcher, url: str) -> InputRefused:
    with pytest.raises(InputRefused) as caught:
        await one.fetch(url)
    return caught.value


@pytest.mark.parametrize("host", FORBIDDEN_HOSTS)
async def test_no_spelling_of_this_machine_is_connected_to(host: str) -> None:
    async with (
        listening(lambda _path: answer(picture())) as trap,
        listening(lambda _path: answer(picture()), host="::1", port=trap.port) as trap6,
    ):
        refused = await refusal(fetcher(), f"http://{host}:{trap.port}/a.png")
        assert (trap.connections, trap6.connections) == (0, 0)
    assert "127" not in str(refused)
    assert "::" not in str(refused)
    assert refused.__cause__ is None


async def test_the_same_listener_is_reached_where_its_network_is_allowed() -> None:
    async with listening(lambda _path: answer(picture())) as allowed:
        assert await fetcher("127.0.0.0/8").fetch(f"{allowed.url}/a.png") == picture()
        assert await fetcher("127.0.0.0/8").fetch(f"http://localhost:{allowed.port}/a.png") == picture()
        assert allowed.connections == 2


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["::1"],
        ["127.0.0.2", "127.0.0.1"],
        ["127.0.0.1", "127.0.0.2"],
        ["169.254.169.254"],
        ["fd00:ec2::254"],
        ["100.100.100.200"],
        ["10.0.0.7"],
        ["fe80::1%eth0"],
        ["fec0::1"],
        ["not an address"],
        [],
    ],
)
async def test_a_name_is_not_connected_to_where_any_of_its_addresses_is_forbidden(answers: list[str]) -> None:
    async with (
        listening(lambda _path: answer(picture())) as trap,
        listening(lambda _path: answer(picture()), host="127.0.0.2", port=trap.port) as allowed,
    ):
        one = fetcher("127.0.0.2/32", resolve=scripted(answers))
        refused = await refusal(one, f"http://images.example:{trap.port}/a.png")
        assert (trap.connections, allowed.connections) == (0, 0)
    assert not [address for address in answers if address in str(refused)]


async def test_a_name_is_resolved_once_so_that_it_cannot_change_between_check_and_connection() -> None:
    async with (
        listening(lambda _path: answer(b"secret")) as trap,
        listening(lambda _path: answer(picture()), host="127.0.0.2", port=trap.port) as allowed,
    ):
        one = fetcher("127.0.0.2/32", resolve=scripted(["127.0.0.2"], ["127.0.0.1"]))
        assert await one.fetch(f"http://images.example:{trap.port}/a.png") == picture()
        await refusal(one, f"http://images.example:{trap.port}/a.png")
        assert (trap.connections, allowed.connections) == (0, 1)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://x@127.0.0.2:{port}/",
    ],
)
async def test_each_hop_of_a_redirect_is_judged_as_the_first(target: str) -> None:
    async with listening(lambda _path: answer(b"secret")) as trap:
        location = target.format(port=trap.port)
        async with listening(
            lambda _path: answer(status="302 Found", Location=location), host="127.0.0.2", port=trap.port
        ) as allowed:
            await refusal(fetcher("127.0.0.2/32"), f"{allowed.url}/a.png")
            assert (trap.connections, allowed.connections) == (0, 1)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://127.0.0.2/", "data:image/png;base64,AA", "javascript:alert(1)"]
)
async def test_a_redirect_leads_to_no_other_scheme(location: str) -> None:
    async with listening(lambda _path: answer(status="302 Found", Location=location), host="127.0.0.2") as allowed:
        await refusal(fetcher("127.0.0.2/32"), f"{allowed.url}/a.png")
        assert allowed.connections == 1


async def test_three_redirects_are_followed_and_no_more() -> None:
    def answers(path: str) -> bytes:
        left = int(path[1:])
        return answer(status="302 Found", Location=f"/{left - 1}") if left else answer(picture())

    async with listening(answers) as allowed:
        one = fetcher("127.0.0.0/8")
        assert await one.fetch(f"{allowed.url}/3") == picture()
        assert "3 times" in str(await refusal(one, f"{allowed.url}/4"))
        assert allowed.asked == ["/3", "/2", "/1", "/0", "/4", "/3", "/2", "/1"]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (answer(b"x" * 100_001), "larger"),
        (answer(b"x", Content_Length=str(10 * 2**30)), "larger"),
        (answer(b"x" * 100, Content_Encoding="gzip"), "compressed"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 8,
            "larger",
        ),
        (answer(status="404 Not Found"), "404"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "could be fetched"),
        (b"", "could be fetched"),
    ],
)
async def test_what_is_no_plain_bounded_answer_is_not_read(told: bytes, words: str) -> None:
    async with listening(lambda _path: told) as allowed:
        refused = await refusal(fetcher("127.0.0.0/8"), f"{allowed.url}/a.png")
    assert words in str(refused)
    assert "127" not in str(refused)


async def test_an_answer_that_never_ends_is_given_its_time_and_no_more() -> None:
    bounds = FetchBounds(most_bytes=1_000, seconds=0.2)
    async with listening(lambda _path: answer(b"x", Content_Length="100"), hang=True) as allowed:
        async with asyncio.timeout(3):
            refused = await refusal(fetcher("127.0.0.0/8", bounds=bounds), f"{allowed.url}/a.png")
    assert refused.retryable
    assert "0.2 s" in str(refused)


async def test_what_is_passed_on_is_judged_by_the_same_rules() -> None:
    policy = AddressPolicy()
    public = ImageFetcher(policy, BOUNDS, resolve=scripted(["93.184.215.14"]))
    assert await public.check("https://images.example/a.png?x=1") == "https://images.example/a.png?x=1"
    for answers in (["10.0.0.1"], ["93.184.215.14", "::1"]):
        private = ImageFetcher(policy, BOUNDS, resolve=scripted(answers))
        with pytest.raises(InputRefused):
            await private.check("https://images.example/a.png")
    with pytest.raises(InputRefused):
        await ImageFetcher(policy, BOUNDS).check("https://127.0.0.1/a.png")
