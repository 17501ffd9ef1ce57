"""The package's front door: what it offers, and what opening it costs."""

import subprocess
import sys

import fanzgpt_schemas


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def test_every_public_name_is_there() -> None:
    assert all(getattr(fanzgpt_schemas, name) is not None for name in fanzgpt_schemas.__all__)
    assert set(fanzgpt_schemas.__all__) <= set(dir(fanzgpt_schemas))


def test_a_star_import_in_a_fresh_interpreter_brings_them_all() -> None:
    assert fresh("from fanzgpt_schemas import *; print(encode.__module__)") == "fanzgpt_schemas.codec"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(fanzgpt_schemas, "encoed")


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = (
        "import sys, fanzgpt_schemas; print([name for name in ('pydantic', 'yaml', 'orjson') if name in sys.modules])"
    )
    assert fresh(heavy) == "[]"


def test_errors_and_identities_are_had_without_pydantic() -> None:
    assert (
        fresh("import sys; from fanzgpt_schemas import ContractError, user_key; print('pydantic' in sys.modules)")
        == "False"
    )
