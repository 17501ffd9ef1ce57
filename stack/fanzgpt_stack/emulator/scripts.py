"""Scripts: rules that say which calls go wrong, and how.

The first rule that fits a call, in the order in which they were added, decides it. A rule without conditions fits
every call.
"""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fanzgpt_stack.emulator.actions import Action, AnyAction
from fanzgpt_stack.emulator.calls import Call, Vendor

Ordinals = int | frozenset[int]


class ScriptRefused(Exception):
    """A script that cannot be understood; the text names every place."""


class Match(BaseModel):
    """Which calls a rule is about. Patterns are shell patterns (`gpt-*`); counts begin at 1.

    `nth` counts the calls that fit the other conditions; `nth_of_request` those among them with the same request id,
    so that `1` means every request's first attempt.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    vendor: Vendor | None = None
    path: str | None = None
    model: str | None = None
    request_id: str | None = None
    stream: bool | None = None
    nth: Ordinals | None = None
    nth_of_request: Ordinals | None = None


class Rule(BaseModel):
    """One rule: when it matches, at most `times` times, with a probability drawn from its own seed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str | None = None
    match: Match = Match()
    action: Action
    times: Annotated[int, Field(ge=0)] | None = None
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: int = 0


_RULES: Final = TypeAdapter(list[Rule])


def read_script(content: bytes) -> list[Rule]:
    """The rules in a JSON list; raises ScriptRefused."""
    try:
        return _RULES.validate_json(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        told = "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'script'}: {problem['msg']}" for problem in problems)
        raise ScriptRefused(told) from error


def read_script_file(path: Path) -> list[Rule]:
    """The rules in a file; raises ScriptRefused."""
    try:
        return read_script(path.read_bytes())
    except OSError as error:
        raise ScriptRefused(f"{path} cannot be read: {error.strerror}") from error
    except ScriptRefused as error:
        raise ScriptRefused(f"{path}: {error}") from error


class Script:
    """The rules in force, and how often each fired."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = [_Standing(rule) for rule in rules]

    def add(self, rules: Sequence[Rule]) -> None:
        """Put rules after those in force."""
        self._rules += [_Standing(rule) for rule in rules]

    def clear(self) -> None:
        """Forget every rule."""
        self._rules = []

    def action(self, call: Call) -> AnyAction | None:
        """What happens to this call; None: it is answered."""
        for standing in self._rules:
            if standing.fires(call):
                return standing.rule.action
        return None

    def document(self) -> list[dict[str, object]]:
        """The rules, each with the calls that it `matched` and that it `fired` on: a fault can be seen to happen."""
        return [
            {
                **standing.rule.model_dump(mode="json", exclude_defaults=True),
                "action": standing.rule.action.model_dump(mode="json", exclude_none=True),
                "matched": standing.matched,
                "fired": standing.fired,
            }
            for standing in self._rules
        ]


class _Standing:
    __slots__ = ("_of_request", "_random", "fired", "matched", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.matched = 0
        self.fired = 0
        self._of_request: Counter[str] = Counter()
        self._random = Random(rule.seed)  # noqa: S311  # repeatable, not secret

    def fires(self, call: Call) -> bool:
        rule, match = self.rule, self.rule.match
        if not _fits(match, call):
            return False
        self.matched += 1
        counted = match.nth is None or _among(self.matched, match.nth)
        if match.nth_of_request is not None:
            name = call.request_id or ""
            self._of_request[name] += 1
            counted = counted and _among(self._of_request[name], match.nth_of_request)
        # Drawn for every call that comes so far, so that one draw does not depend on whether another fired.
        if not counted or (rule.probability < 1 and self._random.random() >= rule.probability):
            return False
        if rule.times is not None and self.fired >= rule.times:
            return False
        self.fired += 1
        return True


def _fits(match: Match, call: Call) -> bool:
    return (
        (match.vendor is None or match.vendor == call.vendor)
        and (match.stream is None or match.stream == call.stream)
        and (match.path is None or fnmatchcase(call.path, match.path))
        and (match.model is None or fnmatchcase(call.model, match.model))
        and (match.request_id is None or fnmatchcase(call.request_id or "", match.request_id))
    )


def _among(number: int, wanted: Ordinals) -> bool:
    return number == wanted if isinstance(wanted, int) else number in wanted
