"""From variables to settings, or to everything that is wrong with them at once."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import ValidationError

from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.settings.groups import Settings
from fanzgpt_workers.settings.problems import Problem, described, masked, variables
from fanzgpt_workers.settings.sources import ignored_stack, merge

Need = Literal["kafka", "database", "redis", "provider"]
WORKER_NEEDS: Final[frozenset[Need]] = frozenset({"kafka", "database", "provider"})
SINK_NEEDS: Final[frozenset[Need]] = frozenset({"kafka", "database"})

_SCHEMES: Final = {
    "DATABASE_URL": ("postgresql", "postgres"),
    "REDIS_URL": ("redis", "rediss", "unix"),
}


def load_settings(
    environ: Mapping[str, str],
    *,
    embedded: Mapping[str, str] | None = None,
    needs: Collection[Need] = WORKER_NEEDS,
) -> Settings:
    """Read the settings; `embedded` holds the endpoints of the embedded stack, if one is up.

    The environment wins over the embedded stack (see `sources.merge`). What is not in `needs` may be missing.

    Raises:
        ConfigurationError: naming every wrong and every missing setting, with what would be right; secrets masked.
    """
    settings, problems = check_settings(environ, embedded=embedded, needs=needs)
    if settings is None:
        head = "1 setting is wrong" if len(problems) == 1 else f"{len(problems)} settings are wrong"
        raise ConfigurationError("\n  ".join([f"{head}:", *map(str, problems)]))
    return settings


def check_settings(
    environ: Mapping[str, str],
    *,
    embedded: Mapping[str, str] | None = None,
    needs: Collection[Need] = WORKER_NEEDS,
) -> tuple[Settings | None, tuple[Problem, ...]]:
    """The settings and no problem, or no settings and every problem."""
    values = merge(environ, embedded)
    known = variables()
    sections: dict[str, dict[str, str]] = {}
    for section, field in Settings.model_fields.items():
        sections[section] = {
            variable: values[variable].strip()
            for variable, (group, _, _) in known.items()
            if group is field.annotation and variable in values
        }
    problems: list[Problem] = []
    settings = None
    try:
        settings = Settings.model_validate(sections)
    except ValidationError as refusal:
        for error in refusal.errors():
            variable = str(error["loc"][1])
            problems.append(described(error, field=known[variable][2], given=values[variable]))
    problems += _wrong_addresses(values)
    problems += _missing(values, needs=needs, ignored=ignored_stack(environ, embedded))
    if settings is not None:
        problems += _contradictions(settings, values)
    return (None if problems else settings), tuple(problems)


def _wrong_addresses(values: Mapping[str, str]) -> Iterator[Problem]:
    for variable, schemes in _SCHEMES.items():
        if variable not in values:
            continue
        url = values[variable].strip()
        try:
            parts = urlsplit(url)
            right = parts.scheme in schemes and bool(parts.netloc or parts.path.startswith("/"))
            _ = parts.port
        except ValueError:
            right = False
        if not right:
            host = "user:password@host:5432/database" if variable == "DATABASE_URL" else "host:6379/0"
            yield Problem(
                variable=variable, given=masked(variable, url), remedy=f"should look like {schemes[0]}://{host}"
            )


def _missing(values: Mapping[str, str], *, needs: Collection[Need], ignored: tuple[str, ...]) -> Iterator[Problem]:
    wanted: dict[Need, str] = {"kafka": "KAFKA_BOOTSTRAP_SERVERS", "database": "DATABASE_URL", "redis": "REDIS_URL"}
    for need, variable in wanted.items():
        if need in needs and variable not in values:
            remedy = f"start the embedded servers with `fanzgpt stack up`, or set {variable}"
            if ignored:
                remedy = (
                    f"set it too, or unset {', '.join(ignored)}: the embedded stack is up, but is used only where the "
                    "environment names no server (`fanzgpt stack env` prints its variables)"
                )
            yield Problem(variable=variable, given=None, remedy=remedy)
    provider = values.get("AI_DEFAULT_PROVIDER", "openai").strip()
    if "provider" in needs and provider in ("openai", "anthropic"):
        name = provider.upper()
        if f"{name}_API_KEY" not in values and f"{name}_BASE_URL" not in values:
            other = "anthropic" if provider == "openai" else "openai"
            yield Problem(
                variable=f"{name}_API_KEY",
                given=None,
                remedy=f"the provider {provider} needs its key; or set {name}_BASE_URL to an endpoint that asks for "
                f"none, or AI_DEFAULT_PROVIDER={other} with {other.upper()}_API_KEY",
            )


def _contradictions(settings: Settings, values: Mapping[str, str]) -> Iterator[Problem]:
    attempt, total = settings.providers.attempt_timeout_seconds, settings.providers.total_timeout_seconds
    if attempt > total:
        yield Problem(
            variable="AI_ATTEMPT_TIMEOUT_SECONDS",
            given=f"{attempt:g}",
            remedy=f"should be at most AI_TOTAL_TIMEOUT_SECONDS ({total:g})",
        )
    chains = settings.providers.fallbacks.values()
    for name in sorted({target.provider for chain in chains for target in chain} - set(settings.providers.reachable)):
        yield Problem(
            variable="AI_FALLBACKS",
            given=masked("AI_FALLBACKS", values["AI_FALLBACKS"]),
            remedy=f"needs {name.upper()}_API_KEY, or {name.upper()}_BASE_URL for an endpoint that asks for none",
        )
    looks = settings.media.image_provider
    if looks is not None and looks != "stand-in" and looks not in settings.providers.reachable:
        remedy = f"needs {looks.upper()}_API_KEY, or {looks.upper()}_BASE_URL for an endpoint that asks for none"
        yield Problem(variable="AI_IMAGE_PROVIDER", given=looks, remedy=remedy)
    for variable, remedy in settings.kafka_security.contradictions():
        given = values.get(variable)
        yield Problem(variable=variable, given=None if given is None else masked(variable, given), remedy=remedy)
