"""`python -m fanzgpt_gateway.openapi` prints the OpenAPI document, without a server behind it."""

import json
import sys
from typing import Any, NoReturn, cast

from fanzgpt_gateway.app import Parts, application
from fanzgpt_gateway.settings import Settings


class _Unused:
    """Stands where the document needs a part to be named; nothing of it is ever asked for."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"the document was not to use {name}")


def document() -> dict[str, Any]:
    """The document of the application with the default settings."""
    unused = cast("Any", _Unused())
    parts = Parts(
        authenticator=unused,
        asking=unused,
        streaming=unused,
        uploading=unused,
        media=None,
        ledger=unused,
        cancelling=unused,
        checks=unused,
        metrics=unused,
        new_id=unused,
    )
    settings = Settings(bootstrap_servers="localhost:9092", database_url=cast("Any", "postgresql://localhost/fanz"))
    return application(parts, settings).openapi()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2, sort_keys=True) + "\n")
