"""The caller's own names for a call, from its headers."""

from typing import Final
from urllib.parse import unquote

from fanzgpt_stack.emulator.http_requests import HttpRequest

REQUEST_ID_HEADER: Final = b"x-fanzgpt-request-id"
ATTEMPT_ID_HEADER: Final = b"x-client-request-id"


def request_id(request: HttpRequest) -> str | None:
    """The request's id; it travels percent-encoded, since it may be any text."""
    told = request.header(REQUEST_ID_HEADER)
    return None if told is None else unquote(told)


def attempt_id(request: HttpRequest) -> str | None:
    """The attempt's id."""
    return request.header(ATTEMPT_ID_HEADER)
