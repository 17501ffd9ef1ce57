"""The words of an answer: the same for the same request, and signed."""

from dataclasses import replace
from typing import Final

import orjson

from fanzgpt_stack.emulator.calls import Answer, Call, text_tokens
from fanzgpt_stack.emulator.schema_answers import conforming
from fanzgpt_stack.emulator.signatures import signature_of

CHARACTERS_PER_TOKEN: Final = 4

_SENTENCES: Final = (
    "The golden hour was kind to this one. 💛",
    "Tell me which colour you would choose.",
    "Rehearsals are loud and the coffee is strong.",
    "A new set arrives on Friday evening.",
    "Your last comment stayed with me all day.",
    "I read every message, even the short ones.",
    "Behind the scenes it looks far less tidy.",
    "Thank you for being here from the beginning. ✨",
    "Ask me anything before midnight.",
    "The best light is always ten minutes late.",
    "There is a story behind that scar.",
    "We celebrate a thousand of you this week.",
    "Vote for the next theme below.",
    "It took eleven takes and one broken heel.",
    "Good things are already on their way.",
    "Which song should open the show?",
)


class Author:
    """Writes the answers of one emulator."""

    def __init__(self, *, words: int) -> None:
        """Answers that are plain text have at least so many words."""
        self._texts = tuple(_text(start, words) for start in range(len(_SENTENCES)))

    def answer(self, call: Call) -> Answer:
        """The answer to a call; raises UnsupportedSchema where no value can be made for its schema."""
        signature = signature_of(call.request_id or f"{call.seed:x}", call.attempt_id or "")
        if call.speech is not None:
            return Answer(text=signature, finish="stop", input_tokens=0, output_tokens=0)
        if call.schema is None:
            text = f"{signature} {self._texts[call.seed % len(self._texts)]}"
        else:
            text = orjson.dumps(conforming(call.schema, seed=call.seed, signature=signature)).decode()
        return limited(
            Answer(
                text=text,
                finish="stop" if call.tool is None else "tool",
                input_tokens=call.input_tokens,
                output_tokens=text_tokens(text),
            ),
            call.max_tokens,
        )


def limited(answer: Answer, max_tokens: int | None) -> Answer:
    """The answer, cut off at the caller's limit."""
    if max_tokens is None or answer.output_tokens <= max_tokens:
        return answer
    text = answer.text[: max_tokens * CHARACTERS_PER_TOKEN]
    return replace(answer, text=text, finish="length", output_tokens=text_tokens(text))


def _text(start: int, words: int) -> str:
    chosen: list[str] = []
    while sum(len(sentence.split()) for sentence in chosen) < words:
        chosen.append(_SENTENCES[(start + len(chosen)) % len(_SENTENCES)])
    return " ".join(chosen)
