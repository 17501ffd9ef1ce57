"""Fallback chains in one variable."""

import re

import pytest

from fanzgpt_workers.core.routing import Target
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.settings import load_settings
from fanzgpt_workers.settings.fallbacks import read_fallbacks

HAIKU = Target("anthropic", "claude-haiku-4-5")


def test_a_chain_for_every_type_and_for_some() -> None:
    text = "anthropic/claude-haiku-4-5 ; chat-response = openai/meta/llama:8b, anthropic/claude-haiku-4-5;content-calendar="
    assert read_fallbacks(text) == {
        None: (HAIKU,),
        "chat-response": (Target("openai", "meta/llama:8b"), HAIKU),
        "content-calendar": (),
    }
    assert read_fallbacks("") == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gpt-4o", "'gpt-4o' should be a provider (openai or anthropic), a slash and a model"),
        ("gemini/pro", "should be a provider"),
        ("openai/", "should be a provider"),
        ("songs=openai/gpt-4o", "'songs' is no generation type"),
        ("openai/a;openai/b", "the chain for every type stands there twice"),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        read_fallbacks(text)


def test_a_fallback_needs_its_providers_key() -> None:
    given = {
        "KAFKA_BOOTSTRAP_SERVERS": "k:9092",
        "DATABASE_URL": "postgresql://d/f",
        "OPENAI_API_KEY": "sk",
        "AI_FALLBACKS": "anthropic/claude-haiku-4-5",
    }
    with pytest.raises(ConfigurationError, match="AI_FALLBACKS=.*needs ANTHROPIC_API_KEY"):
        load_settings(given)
    assert load_settings({**given, "ANTHROPIC_API_KEY": "sk"}).providers.fallbacks == {None: (HAIKU,)}
