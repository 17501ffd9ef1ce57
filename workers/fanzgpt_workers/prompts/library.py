"""The prompts of a process: templates compiled once, rendered without I/O, and the checks of their answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files
from typing import Final

from jinja2 import Environment, StrictUndefined, Template
from pydantic import JsonValue

from fanzgpt_schemas.requests import (
    ChatResponseRequested,
    ContentCalendarRequested,
    ConversationStartersRequested,
    GenerationRequested,
    Options,
    PerformanceAnalysisRequested,
    VoiceSynthesisRequested,
)
from fanzgpt_workers.errors import OutputRefused
from fanzgpt_workers.ports import Completion, OutputSchema, Prompt, Turn
from fanzgpt_workers.prompts import conversation, output_schemas, reading
from fanzgpt_workers.prompts.blocks import block, inert, lines
from fanzgpt_workers.prompts.platforms import rule
from fanzgpt_workers.prompts.timeframe import dates_of

_PLAIN: Final[Mapping[str, str]] = {
    "social-post": "post",
    "personalized-message": "message",
    "chat-response": "response",
    "image-analysis": "analysis",
}
_SHOWN_CHARACTERS: Final = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compiled:
    version: str
    system: str
    template: Template

    def user(self, **values: object) -> str:
        context = self.template.new_context(values)
        return "".join(self.template.blocks["user"](context)).strip()


class PromptLibrary:
    """Prompts for every type that a model writes for, each from its newest template. See `Prompts` for the promises.

    What people wrote stands in delimited blocks that it cannot leave (`blocks`); the system part is the same for every
    request of a type.
    """

    def __init__(
        self, *, today: Callable[[], date], speech: Callable[[VoiceSynthesisRequested], Prompt] | None = None
    ) -> None:
        """Read and compile every template. `today` is asked for when a calendar is rendered.

        `speech` makes of a request what is to be spoken; without it nothing is.
        """
        self._today = today
        self._speech = speech
        self._compiled = _compile()

    def render(self, request: GenerationRequested) -> Prompt:
        """The prompt for a request; raises OutputRefused for a type that no template serves in this release."""
        if isinstance(request, VoiceSynthesisRequested) and self._speech is not None:
            return self._speech(request)
        compiled = self._compiled.get(request.type)
        if compiled is None:
            raise OutputRefused(f"no template serves {request.type} in this release")
        style = lines(_wishes(request.options))
        match request:
            case ChatResponseRequested():
                return _chat(compiled, request, style)
            case ConversationStartersRequested():
                return _single(compiled, output_schemas.starters(request.input.count), input=request.input, style=style)
            case ContentCalendarRequested():
                return _calendar(compiled, request, style, self._today())
            case PerformanceAnalysisRequested():
                return _single(compiled, output_schemas.analysis(), input=request.input, style=style)
            case _:
                platform = getattr(request.input, "platform", "")
                return _single(compiled, None, input=request.input, style=style, platform_rule=rule(platform))

    def read(self, request: GenerationRequested, completion: Completion) -> Mapping[str, JsonValue]:
        """The answer object, checked against the contract; raises OutputRefused with the reason, in words for a repair.

        More starters than were asked for are cut to the number; fewer are refused. Calendar entries come out in date
        order. For text that was cut off at the token limit see `reading`.
        """
        name = _PLAIN.get(request.type)
        if name is not None:
            return reading.checked(request.type, {name: reading.plain(completion)})
        answer = reading.tidy(reading.json_object(completion))
        if not isinstance(answer, dict):
            raise OutputRefused("the answer is JSON but no object")
        match request:
            case ConversationStartersRequested():
                return _starters(request, answer)
            case ContentCalendarRequested():
                return reading.checked(request.type, {"calendar": {"entries": _entries(answer)}})
            case VoiceSynthesisRequested():
                reading.checked(request.type, answer)
                return {name: str(value) for name, value in answer.items()}
            case _:
                return reading.checked(request.type, {"analysis": answer})

    def repair(self, prompt: Prompt, completion: Completion, reason: str) -> Prompt:
        """The prompt with the refused answer (its first 4,000 characters) and the reason as two more turns."""
        shown = completion.text.replace("\0", "\ufffd").strip()[:_SHOWN_CHARACTERS] or "(no text)"
        asked = "text" if prompt.output_schema is None else "JSON object"
        again = f"This cannot be used: {reason}. Answer again, with nothing but the {asked} that was asked for."
        turns = (*prompt.turns, Turn(role="assistant", text=shown), Turn(role="user", text=again))
        return replace(prompt, turns=turns)


def _compile() -> Mapping[str, _Compiled]:
    # Prompts are no HTML: what people wrote is made inert by `blocks`.
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)  # noqa: S701
    compiled: dict[str, _Compiled] = {}
    for folder in files(__package__).joinpath("templates").iterdir():
        versions = [int(file.name.removesuffix(".jinja")) for file in folder.iterdir() if file.name.endswith(".jinja")]
        newest = max(versions)
        template = environment.from_string(folder.joinpath(f"{newest}.jinja").read_text("utf-8"))
        # All that templates may call: a plain dict, because the environment's own chain of them is copied each time.
        template.globals = {"block": block}
        system = "".join(template.blocks["system"](template.new_context())).strip()
        compiled[folder.name] = _Compiled(version=f"{folder.name}/{newest}", system=system, template=template)
    return compiled


def _wishes(options: Options) -> Mapping[str, JsonValue]:
    return {**(options.preferences or {}), **options.extras}


def _single(compiled: _Compiled, schema: OutputSchema | None, **values: object) -> Prompt:
    turn = Turn(role="user", text=compiled.user(**values))
    return Prompt(version=compiled.version, system=compiled.system, turns=(turn,), output_schema=schema)


def _chat(compiled: _Compiled, request: ChatResponseRequested, style: str) -> Prompt:
    history = conversation.recent(request.input.history)
    last = compiled.user(notes=conversation.notes(history), style=style, message=inert(request.input.message))
    turns = conversation.turns(history, last or inert(request.input.message))
    return Prompt(version=compiled.version, system=compiled.system, turns=turns)


def _calendar(compiled: _Compiled, request: ContentCalendarRequested, style: str, today: date) -> Prompt:
    dates = dates_of(request.input.timeframe, today=today)
    schema = output_schemas.dated_calendar(dates) if dates else output_schemas.open_calendar()
    return _single(
        compiled,
        schema,
        input=request.input,
        style=style,
        dates=[day.isoformat() for day in dates],
        today=today.isoformat(),
    )


def _starters(request: ConversationStartersRequested, answer: dict[str, object]) -> Mapping[str, JsonValue]:
    output = reading.checked(request.type, answer)
    starters, count = output["starters"], request.input.count
    if not isinstance(starters, list) or len(starters) < count:
        raise OutputRefused(f"starters: {count} were asked for")
    return {"starters": starters[:count]}


def _entries(answer: dict[str, object]) -> list[object]:
    """The entries, in date order where every one has its date as text; what else is wrong is found by the check."""
    told = answer.get("entries")
    if isinstance(told, list):
        entries = list(told)
    else:
        entries = [{**piece, "date": day} if isinstance(piece, dict) else piece for day, piece in answer.items()]
    if all(isinstance(entry, dict) and isinstance(entry.get("date"), str) for entry in entries):
        entries.sort(key=lambda entry: entry["date"])
    return entries
