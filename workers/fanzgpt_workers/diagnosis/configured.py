"""What the variables alone tell."""

from collections.abc import Iterator, Mapping
from typing import Final

from fanzgpt_workers.diagnosis.finding import Finding, note, ok, wrong
from fanzgpt_workers.embedded import EmbeddedStack
from fanzgpt_workers.settings import Settings, check_settings, ignored_stack, unrecognised

_SWITCHES: Final = "FEATURE_"


def settings_findings(environ: Mapping[str, str], stack: EmbeddedStack | None) -> tuple[Settings | None, list[Finding]]:
    """The settings, if they can be read, and what there is to say about them."""
    settings, problems = check_settings(environ, embedded=None if stack is None else stack.endpoints)
    findings = [*_stack(environ, stack)]
    findings += [wrong(problem.variable, _given(problem.given), problem.remedy) for problem in problems]
    for name, meant in unrecognised(list(environ)):
        findings.append(note(name, "is no setting of this system", f"was {meant} meant?"))
    findings += _switches(environ)
    if settings is None:
        # What can be reached is worth knowing even when, say, a key is missing.
        usable = {name: value for name, value in environ.items() if name not in {p.variable for p in problems}}
        settings, _ = check_settings(usable, embedded=None if stack is None else stack.endpoints, needs=())
    else:
        findings.append(ok("settings", "can be read"))
    return settings, findings


def feature_findings(settings: Settings) -> list[Finding]:
    """Which generation types this installation would reject."""
    off = sorted(
        {"FEATURE_CONTENT_GENERATION", "FEATURE_CHAT_ASSISTANCE"} - settings.features.switched_on,
    )
    if not off:
        return [ok("features", f"on: {', '.join(sorted(settings.features.switched_on))}")]
    remedy = f"set {' and '.join(f'{name}=true' for name in off)}"
    return [note("features", "requests of these kinds are rejected: " + ", ".join(off), remedy)]


def _stack(environ: Mapping[str, str], stack: EmbeddedStack | None) -> Iterator[Finding]:
    if stack is None:
        return
    if ignored := ignored_stack(environ, stack.endpoints):
        yield note("embedded stack", f"up, and not used, because {', '.join(ignored)} is set")
    else:
        yield ok("embedded stack", f"up, says {stack.file}")


def _switches(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, value in sorted(environ.items()):
        if name.startswith(_SWITCHES) and value.strip().lower() in {"1", "yes", "on", "true"} and value != "true":
            yield note(name, f'is "{value}", which counts as off', f"{name}=true switches it on")


def _given(value: str | None) -> str:
    return "is not set" if value is None else f'is "{value}"'
