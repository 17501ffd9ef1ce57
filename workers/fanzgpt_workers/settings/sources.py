"""Which of two sources a variable comes from: the environment, or the embedded stack that is up."""

from collections.abc import Mapping
from typing import Final

SERVERS: Final = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL")
_OPENAI: Final = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_PRICED_AS", "AI_SPEECH_PROVIDER")
_ANTHROPIC: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL", "ANTHROPIC_PRICED_AS")
_BROKERS_OWN: Final = ("KAFKA_SECURITY_", "KAFKA_SASL_", "KAFKA_SSL_")
_LOCAL_MODELS_OWN: Final = ("AI_MAX_TOKENS", "AI_TEMPERATURE", "AI_IMAGE_PROVIDER")


def merge(environ: Mapping[str, str], embedded: Mapping[str, str] | None) -> dict[str, str]:
    """The variables to read: the environment's, completed by the embedded stack's.

    An empty variable counts as not set. What belongs together is taken from one source: the three servers, so that no
    worker carries requests between a laptop's broker and another database; the broker's encryption and login with
    them; and each provider's key, address and
    model, so that no key is sent to another's address, nor a real model held to what the local one can do.
    """
    given = {name: value for name, value in environ.items() if value.strip()}
    if not embedded or any(name in given for name in SERVERS):
        return given
    merged = {**embedded, **{name: value for name, value in given.items() if not name.startswith(_BROKERS_OWN)}}
    for provider in (_OPENAI, _ANTHROPIC):
        if any(name in given for name in provider[:2]):
            for name in (*provider, *_LOCAL_MODELS_OWN):
                if name not in given:
                    merged.pop(name, None)
    only_anthropic = "ANTHROPIC_API_KEY" in given and "OPENAI_API_KEY" not in given
    if only_anthropic and "AI_DEFAULT_PROVIDER" not in given:
        merged["AI_DEFAULT_PROVIDER"] = "anthropic"
    return merged


def ignored_stack(environ: Mapping[str, str], embedded: Mapping[str, str] | None) -> tuple[str, ...]:
    """The variables for whose sake a running embedded stack is left aside; empty where it is used, or not up."""
    if not embedded:
        return ()
    return tuple(name for name in SERVERS if environ.get(name, "").strip() and environ[name] != embedded.get(name))
