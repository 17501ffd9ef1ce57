"""Opening providers: what is imported when."""

import subprocess
import sys

import pytest

from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.opening import open_providers

OPENAI = Endpoint(name="openai", protocol="chat-completions", api_key="sk-secret")
ANTHROPIC = Endpoint(name="anthropic", protocol="messages")


def imported_by(statements: str) -> set[str]:
    program = f"""
import sys
from fanzgpt_workers.providers.endpoint import Endpoint
from fanzgpt_workers.providers.opening import open_providers
openai = Endpoint(name="openai", protocol="chat-completions", api_key="k")
anthropic = Endpoint(name="anthropic", protocol="messages", api_key="k")
{statements}
print(*({{"openai", "anthropic"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ("", set()),
        ("open_providers([openai, anthropic], transport='wire')", set()),
        ("open_providers([openai])", {"openai"}),
        ("open_providers([openai, anthropic], at_once=['openai'])", {"openai"}),
    ],
)
def test_an_sdk_is_imported_only_for_its_own_adapter(statements: str, expected: set[str]) -> None:
    assert imported_by(statements) == expected


async def test_a_provider_opened_later_answers_to_its_name_and_closes_unopened() -> None:
    providers = open_providers([OPENAI, ANTHROPIC], at_once=[])
    assert {name: provider.name for name, provider in providers.items()} == {
        "openai": "openai",
        "anthropic": "anthropic",
    }
    for provider in providers.values():
        await provider.aclose()


def test_two_providers_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="openai"):
        open_providers([OPENAI, OPENAI])


def test_a_key_is_not_shown() -> None:
    assert "sk-secret" not in repr(OPENAI)
