"""Naming a database server to people without its password."""

from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

UNREADABLE: Final = "an address that cannot be read"


def address_of(database_url: str) -> str:
    """`host:port/name` of a PostgreSQL URL, or a Unix socket's folder for the host; never user or password."""
    try:
        parts = urlsplit(database_url)
        port = parts.port
    except ValueError:
        return UNREADABLE
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", ["localhost"])[0]
    port = port or int(query.get("port", ["5432"])[0])
    return f"{unquote(host)}:{port}/{parts.path.lstrip('/')}"
