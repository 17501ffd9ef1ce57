"""From variables to settings, or to everything that is wrong with them at once."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from fanzgpt_gateway.settings import Settings

_SERVERS: Final = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_URL")
_SCHEMES: Final = {"DATABASE_URL": ("postgresql", "postgres"), "REDIS_URL": ("redis", "rediss", "unix")}
_CREDENTIALS: Final = ("FANZ_GPT_API_KEY", "GATEWAY_API_KEYS", "JWT_SECRET", "JWT_ISSUERS")
_SECRET: Final = re.compile(r"KEY|SECRET|PASSWORD|TOKEN|ISSUERS|_URL$")
_VARIABLES: Final = {field.alias or name: (name, field) for name, field in Settings.model_fields.items()}


class Misconfigured(Exception):
    """Some settings are wrong or missing; the text names each, with what would be right and without any secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        head = "1 setting is wrong" if len(problems) == 1 else f"{len(problems)} settings are wrong"
        super().__init__("\n  ".join((f"{head}:", *problems)))


def load_settings(environ: Mapping[str, str], *, embedded: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; the addresses of the embedded stack count where the environment names no server at all.

    Raises:
        Misconfigured: naming every wrong and every missing setting.
    """
    values = {name: value.strip() for name, value in environ.items() if value.strip() and name in _VARIABLES}
    if embedded and not any(name in values for name in _SERVERS):
        values = {name: value for name, value in embedded.items() if name in _VARIABLES} | values
    problems = [*_wrong_addresses(values), *_no_way_in(values)]
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems[:0] = [_told(detail, values) for detail in error.errors()]
    else:
        problems += settings.contradictions()
    if problems:
        raise Misconfigured(tuple(problems))
    return settings


def _told(detail: ErrorDetails, values: Mapping[str, str]) -> str:
    variable = str(detail["loc"][0])
    _, field = _VARIABLES[variable]
    if detail["type"] == "missing":
        return f"{variable} is not set: start the embedded servers with `fanzgpt stack up`, or set {variable}"
    given = "***" if _SECRET.search(variable) else values[variable][:60]
    if detail["type"] == "string_pattern_mismatch":
        reason = f"should look like {(field.examples or ['something else'])[0]}"
    else:
        where = "".join(f"[{part}] " for part in detail["loc"][1:])
        reason = where + detail["msg"].removeprefix("Value error, ")
    default = "" if field.is_required() or not field.default or isinstance(field.default, SecretStr) else field.default
    return f'{variable}="{given}": {reason}' + (f"; default {default}" if default else "")


def _wrong_addresses(values: Mapping[str, str]) -> Iterator[str]:
    for variable, schemes in _SCHEMES.items():
        if variable not in values:
            continue
        try:
            parts = urlsplit(values[variable])
            right = parts.scheme in schemes and bool(parts.netloc or parts.path.startswith("/"))
            _ = parts.port
        except ValueError:
            right = False
        if not right:
            example = (_VARIABLES[variable][1].examples or [""])[0]
            yield f'{variable}="***": should look like {example}'


def _no_way_in(values: Mapping[str, str]) -> Iterator[str]:
    if not any(name in values for name in _CREDENTIALS):
        yield (
            "FANZ_GPT_API_KEY is not set, nor JWT_SECRET, JWT_ISSUERS or GATEWAY_API_KEYS: nobody could call; "
            "make a key with `openssl rand -hex 32`"
        )
