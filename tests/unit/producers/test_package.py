"""The package's front door: what it offers, and what opening it costs."""

import subprocess
import sys

import fanzgpt_producers


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def test_every_public_name_is_there() -> None:
    assert all(getattr(fanzgpt_producers, name) is not None for name in fanzgpt_producers.__all__)
    assert set(fanzgpt_producers.__all__) <= set(dir(fanzgpt_producers))


def test_the_client_is_had_from_the_front_door() -> None:
    code = "from fanzgpt_producers import GenerationClient; print(GenerationClient.__module__)"
    assert fresh(code) == "fanzgpt_producers.client"


def test_a_star_import_in_a_fresh_interpreter_brings_them_all() -> None:
    assert fresh("from fanzgpt_producers import *; print(publish_many.__module__)") == "fanzgpt_producers.bulk"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(fanzgpt_producers, "GenerationCliemt")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, fanzgpt_producers; print({'pydantic', 'aiokafka', 'asyncio', 'logging'} & set(sys.modules))"
    assert fresh(code) == "set()"


def test_errors_are_had_without_the_kafka_client() -> None:
    code = "import sys; from fanzgpt_producers import RequestUnconfirmed; print('aiokafka' in sys.modules)"
    assert fresh(code) == "False"
