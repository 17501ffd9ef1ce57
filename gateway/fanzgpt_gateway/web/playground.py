"""A page to try the API by hand: one file, no build, nothing from elsewhere; its forms are made from the document."""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import APIRouter
from starlette.responses import Response

PATH: Final = "/playground"
_INLINE: Final = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


def playground() -> APIRouter:
    """The route. The page may run what is in it and talk to this gateway, and nothing else."""
    page = files(__package__).joinpath("playground.html").read_text(encoding="utf-8")
    headers = {
        "Content-Security-Policy": policy(page),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    router = APIRouter()

    @router.get(PATH, include_in_schema=False)
    async def read_playground() -> Response:
        return Response(page, media_type="text/html", headers=headers)

    return router


def policy(page: str) -> str:
    """What the page may do: each of its styles and scripts by its hash."""
    hashes: dict[str, list[str]] = {"style": [], "script": []}
    for kind, text in _INLINE.findall(page):
        hashes[kind].append(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {' '.join(hashes['style'])}",
            f"script-src {' '.join(hashes['script'])}",
            "connect-src 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )
