"""Which addresses are anybody's, and which are only ours."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanzgpt_workers.errors import InputRefused
from fanzgpt_workers.images.addresses import AddressPolicy, is_public

POLICY = AddressPolicy(schemes=frozenset({"https", "http"}))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://images.example/a.png",
        "file:///etc/passwd",
        "gopher://images.example/",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "https:///a.png",
        "https://good@evil.example/a.png",
        "https://good:secret@evil.example/a.png",
        "https://good.example\\@evil.example/a.png",
        "https://images.example:22/a.png",
        "https://images.example:80/a.png",
        "http://images.example:443/a.png",
        "https://images.example/a b.png",
        "https://images.example/a\r\nHost: x",
        "https://[::1/a.png",
        "https://images.example:99999/a.png",
        "",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(InputRefused):
        POLICY.checked(url)


def test_plain_http_is_refused_unless_it_is_allowed() -> None:
    assert str(POLICY.checked("http://images.example/a.png")) == "http://images.example/a.png"
    with pytest.raises(InputRefused, match="https"):
        AddressPolicy().checked("http://images.example/a.png")


@pytest.mark.parametrize("host", ["images.example", "IMAGES.EXAMPLE", "images.example."])
def test_a_host_that_is_listed_may_be_asked_however_it_is_spelt(host: str) -> None:
    listed = AddressPolicy(hosts=frozenset({"images.example"}))
    assert listed.checked(f"https://{host}/a.png")
    with pytest.raises(InputRefused):
        listed.checked("https://images.example.evil.example/a.png")


@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",  # noqa: S104  # nobody listens there
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.1.1",
        ),
        *("192.88.99.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
        *("2001::1", "2002:7f00:1::", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1"),
        *("", "images.example", "127.1"),
    ],
)
def test_an_address_that_is_not_everybodys_is_not_allowed(address: str) -> None:
    assert not POLICY.allows(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert POLICY.allows(address)


@given(st.ip_addresses(v=4))
def test_an_ipv6_address_that_holds_an_ipv4_address_is_no_better_than_it(ip: IPv4Address) -> None:
    packed = int(ip)
    for prefix in ("64:ff9b::", "64:ff9b:1::", "::"):
        assert not is_public(IPv6Address(int(IPv6Address(prefix)) | packed))
    assert not is_public(IPv6Address((0x2002 << 112) | (packed << 80)))
    assert is_public(IPv6Address((0xFFFF << 32) | packed)) == is_public(ip)


def test_other_ports_are_open_only_in_a_network_that_is_allowed_on_purpose() -> None:
    policy = AddressPolicy(inside=(ip_network("10.20.0.0/24"),))
    policy.checked_answers(["10.20.0.5"], port=9_000)
    policy.checked_answers(["1.1.1.1"], port=443)
    for answers in (["1.1.1.1"], ["10.20.0.5", "1.1.1.1"]):
        with pytest.raises(InputRefused):
            policy.checked_answers(answers, port=9_000)
    with pytest.raises(InputRefused):
        policy.checked_answers(["10.20.1.5"], port=443)
