"""The TypeScript client's types are made from what the gateway says of itself."""

import json
from pathlib import Path

from fanzgpt_gateway.openapi import document

CLIENT = Path(__file__).parents[2] / "clients" / "typescript"


def test_the_clients_document_is_the_gateways() -> None:
    kept = json.loads((CLIENT / "openapi.json").read_text())
    assert kept == json.loads(json.dumps(document())), (
        "`make reference` writes it anew, and `npm run generate` the types"
    )


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    assert all("resolved" not in package and package["integrity"] for package in packages)
