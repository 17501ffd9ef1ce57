"""Ports on the loopback interface: which are free, and which to take."""

import socket
from collections.abc import Iterable, Mapping
from contextlib import closing
from random import Random
from typing import Final

HOST: Final = "127.0.0.1"

# Below the range from which Linux, macOS and Windows take ports for outgoing connections, so that a port which is
# ours while its server rests is not lent to a passing client.
_RANGE: Final = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now. Connections of a former server that still fade do not count."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose_ports(
    names: Iterable[str], *, known: Mapping[str, int], in_use: Iterable[str], random: Random
) -> dict[str, int]:
    """A port for every name: the known one where it is `in_use` by our own server or free, else a new free one."""
    ours = set(in_use)
    wanted = list(names)
    chosen = {name: known[name] for name in wanted if name in known and (name in ours or is_free(known[name]))}
    taken = {*chosen.values(), *known.values()}
    for name in wanted:
        if name not in chosen:
            chosen[name] = _free_port(taken, random)
            taken.add(chosen[name])
    return chosen


def _free_port(taken: set[int], random: Random) -> int:
    candidates = [port for port in _RANGE if port not in taken]
    while candidates:
        port = candidates.pop(random.randrange(len(candidates)))
        if is_free(port):
            return port
    raise OSError(f"no free port between {_RANGE.start} and {_RANGE.stop} on {HOST}")
