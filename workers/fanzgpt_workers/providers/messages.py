"""Anthropic's messages: the body of a call and the reading of an answer.

Temperature goes up to 1 here, so a higher one is sent as 1; Claude models from Opus 4.7 on refuse any, so they get none
(the SDK has dropped the parameter for that reason). `input_tokens` leaves out cached tokens: they are added back.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from fanzgpt_workers.core.attempts import CHARACTERS_PER_TOKEN, Usage
from fanzgpt_workers.errors import Malformed
from fanzgpt_workers.ports import Completion, ProviderCall, Turn
from fanzgpt_workers.providers.json_answers import FinishReason, count, json_object, member, text_member, tier
from fanzgpt_workers.providers.output_schemas import REFUSED_BY_ANTHROPIC, without

BASE_URL: Final = "https://api.anthropic.com"
PATH: Final = "/v1/messages"
VERSION_HEADER: Final = {"anthropic-version": "2023-06-01"}

_TAKES_TEMPERATURE: Final = re.compile(
    r"(?!claude)|claude-(2|3|instant)|claude-(opus|sonnet|haiku)-4(-[0-6])?([-@]\d{8})?$"
)
LEAST_KEPT: Final = 1_024
LEAST_KEPT_SMALL: Final = 4_096
"""Tokens that a prompt has to have to be kept: of most models, and of those that ask for more."""
_KEEPS_LONG_ONES: Final = re.compile(r"haiku|opus-4-[5-9]|opus-[5-9]")
_FINISH: Final[dict[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


def body(call: ProviderCall) -> dict[str, JsonValue]:
    """The JSON body of the call."""
    prompt = call.prompt
    asked: dict[str, JsonValue] = {
        "model": call.model,
        "max_tokens": call.max_tokens,
        "system": prompt.system,
        "messages": [{"role": turn.role, "content": _content(turn)} for turn in prompt.turns],
    }
    if _is_worth_keeping(call):
        asked["messages"] = _kept(prompt.turns)
    if _TAKES_TEMPERATURE.match(call.model):
        asked["temperature"] = min(call.temperature, 1.0)
    if prompt.output_schema is not None:
        schema = without(prompt.output_schema.schema, REFUSED_BY_ANTHROPIC)
        asked["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if call.grown is not None:
        asked["stream"] = True
    return asked


def _is_worth_keeping(call: ProviderCall) -> bool:
    """Whether the prompt begins with what the next turn of the conversation will begin with, and is long enough.

    Writing costs a quarter more than not, reading a tenth: one further turn within five minutes pays for it. Shorter
    prompts than the maker's least are not kept, whatever one asks for; a single turn has no next one.
    """
    prompt = call.prompt
    least = LEAST_KEPT_SMALL if _KEEPS_LONG_ONES.search(call.model) else LEAST_KEPT
    return len(prompt.turns) > 1 and prompt.characters >= least * CHARACTERS_PER_TOKEN


def _kept(turns: Sequence[Turn]) -> list[JsonValue]:
    """The turns, to be kept up to the last one."""
    asked: list[JsonValue] = [{"role": turn.role, "content": _content(turn)} for turn in turns[:-1]]
    last = turns[-1]
    shown = _content(replace(last, text=""))
    text: JsonValue = {"type": "text", "text": last.text, "cache_control": {"type": "ephemeral"}}
    before = shown[:-1] if isinstance(shown, list) else []
    return [*asked, {"role": last.role, "content": [*before, text]}]


def read(content: bytes, *, asked_model: str) -> Completion:
    """The completion in an answer; raises Malformed where it holds none.

    A message that ends its turn without a word is an answer of no text, as Anthropic documents it. A token count that
    is no count becomes "not told": the answer is paid for and is not thrown away for its receipt.
    """
    return _completion(json_object(content), asked_model=asked_model)


class Growth:
    """A streamed answer, put together from its events. See `streamed.Growth`."""

    def __init__(self, *, asked_model: str) -> None:
        """Nothing has come yet."""
        self.ended = False
        self._asked_model = asked_model
        self._message: dict[str, object] = {}
        self._texts: list[str] = []
        self._has_text = False
        self._stop: object = None
        self._counts: dict[str, object] = {}

    def take(self, data: bytes) -> str:
        """The text that an event adds."""
        event = json_object(data)
        match event.get("type"):
            case "message_start":
                self._message = _object(event.get("message"))
                # Its count of output is that of the first token; the real one comes with `message_delta`.
                self._counts = {**_object(self._message.get("usage")), "output_tokens": None}
            case "content_block_start" if member(event.get("content_block"), "type") == "text":
                self._has_text = True
                return self._added(text_member(event["content_block"], "text"))
            case "content_block_delta" if member(event.get("delta"), "type") == "text_delta":
                return self._added(text_member(event["delta"], "text"))
            case "message_delta":
                self._stop = member(event.get("delta"), "stop_reason")
                self._counts |= {name: told for name, told in _object(event.get("usage")).items() if told is not None}
            case "message_stop":
                self.ended = True
            case _:  # pings, and what a later release of the API will send
                pass
        return ""

    def completion(self) -> Completion:
        """The whole answer, as if it had come at once."""
        blocks = [{"type": "text", "text": "".join(self._texts)}] if self._has_text else []
        answer = {**self._message, "content": blocks, "stop_reason": self._stop, "usage": self._counts}
        return _completion(answer, asked_model=self._asked_model)

    def _added(self, piece: str | None) -> str:
        if piece:
            self._has_text = True
            self._texts.append(piece)
        return piece or ""


def _content(turn: Turn) -> JsonValue:
    image = turn.image
    if image is None:
        return turn.text
    source: dict[str, JsonValue] = {"type": "url", "url": image.url}
    if image.url is None:
        data = b64encode(image.data).decode("ascii")
        source = {"type": "base64", "media_type": image.media_type, "data": data}
    # Images before words: Anthropic's models answer better so, as its guide to vision says.
    return [{"type": "image", "source": source}, {"type": "text", "text": turn.text}]


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _completion(answer: dict[str, object], *, asked_model: str) -> Completion:
    response_id = text_member(answer, "id")
    blocks = member(answer, "content")
    if not isinstance(blocks, list):
        raise Malformed("the answer has no content", response_id=response_id)
    texts = [text_member(block, "text") for block in blocks if member(block, "type") == "text"]
    finish = _FINISH.get(text_member(answer, "stop_reason") or "", "other")
    if None in texts or (not texts and finish == "other"):
        raise Malformed("the answer's content has no text", response_id=response_id)
    return Completion(
        text="".join(text for text in texts if text is not None),
        model=text_member(answer, "model") or asked_model,
        response_id=response_id,
        finish_reason=finish,
        usage=_usage(member(answer, "usage")),
    )


def _usage(told: object) -> Usage | None:
    uncached, output = count(told, "input_tokens"), count(told, "output_tokens")
    if uncached is None or output is None:
        return None
    cache_read, cache_write = count(told, "cache_read_input_tokens"), count(told, "cache_creation_input_tokens")
    return Usage(
        input=uncached + (cache_read or 0) + (cache_write or 0),
        output=output,
        cache_read=cache_read,
        cache_write=cache_write,
        reasoning=count(member(told, "output_tokens_details"), "thinking_tokens"),
        cache_write_1h=count(member(told, "cache_creation"), "ephemeral_1h_input_tokens") or None,
        tier=tier(told, "service_tier"),
    )
