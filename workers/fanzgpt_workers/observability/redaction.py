"""What never reaches a log: secrets, and what people wrote or were answered."""

from collections.abc import Collection, Iterator, MutableMapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from fanzgpt_workers.settings import Settings

_TEXTS: Final = frozenset(
    {"answer", "completion", "content", "history", "input", "message", "messages", "output", "prompt", "text", "value"}
)
_SECRETS: Final = frozenset({"api_key", "authorization", "password", "secret", "token"})
_SHORTEST: Final = 6
"""Shorter secrets are no secrets (`none`, `test`), and masking them would garble innocent words."""


def secrets_of(settings: Settings) -> frozenset[str]:
    """Every secret text in the settings: keys, and the passwords within addresses."""
    return frozenset(secret for secret in _secrets(settings) if len(secret) >= _SHORTEST)


class Redaction:
    """A log processor and a filter on the finished line."""

    def __init__(self, secrets: Collection[str]) -> None:
        """`secrets` are replaced wherever they occur, in whatever library's message."""
        self._secrets = tuple(sorted(secrets, key=len, reverse=True))

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Keep the length of texts and nothing of secrets."""
        for key in event.keys() & _TEXTS:
            event[key] = f"[{len(str(event[key]))} characters]"
        for key in event.keys() & _SECRETS:
            event[key] = "***"
        return event

    def line(self, line: str) -> str:
        """The line without any secret."""
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, "***")
        return line


def _secrets(settings: Settings) -> Iterator[str]:
    for _, group in settings:
        for _, value in group:
            if not isinstance(value, SecretStr):
                continue
            text = value.get_secret_value()
            if "://" not in text:
                yield text
            elif password := urlsplit(text).password:
                yield password
                yield unquote(password)
