"""OpenAI's chat completions, the protocol that most servers speak: the body of a call and the reading of an answer.

Which field carries the output limit: OpenAI's own endpoint (and Azure's) takes `max_completion_tokens` for every model
and refuses `max_tokens` for its reasoning models; other servers, llama.cpp's among them, know `max_tokens`. `auto`
decides by the host; a setting may say otherwise. OpenAI's reasoning models refuse a temperature too: they get none.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import JsonValue

from fanzgpt_workers.core.attempts import CHARACTERS_PER_TOKEN, Tier, Usage
from fanzgpt_workers.errors import Malformed
from fanzgpt_workers.ports import Completion, OutputSchema, Prompt, ProviderCall, Turn
from fanzgpt_workers.providers.endpoint import LimitField
from fanzgpt_workers.providers.json_answers import FinishReason, count, json_object, member, text_member, tier
from fanzgpt_workers.providers.output_schemas import REFUSED_BY_OPENAI, without

BASE_URL: Final = "https://api.openai.com/v1"
PATH: Final = "/chat/completions"
DONE: Final = b"[DONE]"
LEAST_CACHED: Final = 1_024  # tokens
STORED_AS: Final = "fanzgpt_attempt"
"""The metadata under which a kept answer is found again."""

_MAKERS_HOST: Final = re.compile(r"([a-z0-9-]+\.)*api\.openai\.com|[a-z0-9-]+\.openai\.azure\.com")
_REASONS_FIRST: Final = re.compile(r"(o\d|gpt-[5-9])(?!.*-chat)")
_FINISH: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What the endpoint wants said differently; `stores` where it is asked to keep its answers."""

    limit_field: Literal["max_tokens", "max_completion_tokens"]
    of_maker: bool
    stores: bool = False

    @classmethod
    def spoken_at(cls, base_url: str, *, limit_field: LimitField, stores: bool = False) -> "Dialect":
        """The dialect of the endpoint at this URL."""
        of_maker = _MAKERS_HOST.fullmatch(urlsplit(base_url).hostname or "") is not None
        if limit_field == "auto":
            limit_field = "max_completion_tokens" if of_maker else "max_tokens"
        return cls(limit_field=limit_field, of_maker=of_maker, stores=stores)


def body(call: ProviderCall, dialect: Dialect) -> dict[str, JsonValue]:
    """The JSON body of the call."""
    prompt = call.prompt
    messages: list[JsonValue] = [{"role": "system", "content": prompt.system}]
    messages.extend({"role": turn.role, "content": _content(turn)} for turn in prompt.turns)
    asked: dict[str, JsonValue] = {"model": call.model, "messages": messages, dialect.limit_field: call.max_tokens}
    if not (dialect.of_maker and _REASONS_FIRST.match(call.model)):
        asked["temperature"] = call.temperature
    if prompt.output_schema is not None:
        asked["response_format"] = _response_format(prompt.output_schema, dialect)
    if dialect.of_maker and len(prompt.turns) > 1 and prompt.characters >= LEAST_CACHED * CHARACTERS_PER_TOKEN:
        asked["prompt_cache_key"] = _beginning(prompt)
    if dialect.stores:
        asked["store"] = True
        asked["metadata"] = {STORED_AS: call.attempt_id.hex}
    if call.grown is not None:
        asked["stream"] = True
        asked["stream_options"] = {"include_usage": True}
    return asked


def read(content: bytes, *, asked_model: str) -> Completion:
    """The completion in an answer; raises Malformed where it holds none.

    A token count that is no count becomes "not told": the answer is paid for and is not thrown away for its receipt.
    """
    return _completion(json_object(content), asked_model=asked_model)


class Growth:
    """A streamed answer, put together from its chunks. See `streamed.Growth`."""

    def __init__(self, *, asked_model: str) -> None:
        """Nothing has come yet."""
        self.ended = False
        self._asked_model = asked_model
        self._content: list[str] = []
        self._refusal: list[str] = []
        self._known: dict[str, object] = {}
        self._finish: str | None = None

    def take(self, data: bytes) -> str:
        """The text that a chunk adds."""
        if data.strip() == DONE:
            self.ended = True
            return ""
        chunk = json_object(data)
        self._known.update({name: chunk[name] for name in ("id", "model", "usage", "service_tier") if chunk.get(name)})
        choices = member(chunk, "choices")
        choice: object = choices[0] if isinstance(choices, list) and choices else None
        delta = member(choice, "delta")
        self._finish = text_member(choice, "finish_reason") or self._finish
        if (refused := text_member(delta, "refusal")) is not None:
            self._refusal.append(refused)
        if (piece := text_member(delta, "content")) is not None:
            self._content.append(piece)
        return piece or ""

    def completion(self) -> Completion:
        """The whole answer, as if it had come at once."""
        message = {
            "content": "".join(self._content) if self._content else None,
            "refusal": "".join(self._refusal) if self._refusal else None,
        }
        choices = [{"message": message, "finish_reason": self._finish}]
        return _completion({**self._known, "choices": choices}, asked_model=self._asked_model)


def _completion(answer: dict[str, object], *, asked_model: str) -> Completion:
    response_id = text_member(answer, "id")
    choices = member(answer, "choices")
    if not isinstance(choices, list) or not choices:
        raise Malformed("the answer has no choices", response_id=response_id)
    choice: object = choices[0]
    message = member(choice, "message")
    text = text_member(message, "content")
    finish = _FINISH.get(text_member(choice, "finish_reason") or "", "other")
    refusal = text_member(message, "refusal")
    if text is None and refusal is None and finish not in {"length", "content-filter"}:
        raise Malformed("the answer's message has no text", response_id=response_id)
    return Completion(
        text=text if text is not None else refusal or "",
        model=text_member(answer, "model") or asked_model,
        response_id=response_id,
        finish_reason="refusal" if refusal else finish,
        usage=_usage(member(answer, "usage"), tier(answer, "service_tier")),
    )


def _beginning(prompt: Prompt) -> str:
    """What the calls of one conversation have in common and no other's: OpenAI sends them where the prefix is cached.

    It caches by itself what begins alike for 1,024 tokens; without a key, a call may go to a machine that has not seen
    it. Shorter prompts and single turns get none: nothing is kept of them, and a key that many share crowds a machine.
    """
    first = prompt.turns[0].text
    return blake2b(
        f"{len(prompt.system)}:{prompt.system}{first}".encode(errors="surrogatepass"), digest_size=16
    ).hexdigest()


def _content(turn: Turn) -> JsonValue:
    image = turn.image
    if image is None:
        return turn.text
    url = image.url or f"data:{image.media_type};base64,{b64encode(image.data).decode('ascii')}"
    return [{"type": "text", "text": turn.text}, {"type": "image_url", "image_url": {"url": url}}]


def _response_format(schema: OutputSchema, dialect: Dialect) -> JsonValue:
    accepted = without(schema.schema, REFUSED_BY_OPENAI) if dialect.of_maker else dict(schema.schema)
    return {"type": "json_schema", "json_schema": {"name": schema.name, "strict": True, "schema": accepted}}


def _usage(told: object, charged_at: Tier | None) -> Usage | None:
    prompt, completion = count(told, "prompt_tokens"), count(told, "completion_tokens")
    if prompt is None or completion is None:
        return None
    of_prompt, of_completion = member(told, "prompt_tokens_details"), member(told, "completion_tokens_details")
    return Usage(
        input=prompt,
        output=completion,
        cache_read=count(of_prompt, "cached_tokens"),
        cache_write=count(of_prompt, "cache_write_tokens"),
        reasoning=count(of_completion, "reasoning_tokens"),
        input_audio=count(of_prompt, "audio_tokens") or None,
        output_audio=count(of_completion, "audio_tokens") or None,
        input_image=count(of_prompt, "image_tokens") or None,
        output_image=count(of_completion, "image_tokens") or None,
        tier=charged_at,
    )
