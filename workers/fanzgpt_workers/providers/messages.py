"""Anthropic's messages: the body of a call and the reading of an answer.

Temperature goes up to 1 here, so a higher one is sent as 1; Claude models from Opus 4.7 on refuse any, so they get none
(the SDK has dropped the parameter for that reason). `input_tokens` leaves out cached tokens: they are added back.
"""

import re
from typing import Final

from pydantic import JsonValue

from fanzgpt_workers.core.attempts import Usage
from fanzgpt_workers.core.headroom import Headroom
from fanzgpt_workers.errors import Malformed
from fanzgpt_workers.ports import Completion, ProviderCall
from fanzgpt_workers.providers.json_answers import FinishReason, count, json_object, member, text_member
from fanzgpt_workers.providers.output_schemas import REFUSED_BY_ANTHROPIC, without

BASE_URL: Final = "https://api.anthropic.com"
PATH: Final = "/v1/messages"
VERSION_HEADER: Final = {"anthropic-version": "2023-06-01"}

_TAKES_TEMPERATURE: Final = re.compile(
    r"(?!claude)|claude-(2|3|instant)|claude-(opus|sonnet|haiku)-4(-[0-6])?([-@]\d{8})?$"
)
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
        "messages": [{"role": turn.role, "content": turn.text} for turn in prompt.turns],
    }
    if _TAKES_TEMPERATURE.match(call.model):
        asked["temperature"] = min(call.temperature, 1.0)
    if prompt.output_schema is not None:
        schema = without(prompt.output_schema.schema, REFUSED_BY_ANTHROPIC)
        asked["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return asked


def read(content: bytes, *, asked_model: str, headroom: Headroom | None = None) -> Completion:
    """The completion in an answer; raises Malformed where it holds none.

    A message that ends its turn without a word is an answer of no text, as Anthropic documents it. A token count that
    is no count becomes "not told": the answer is paid for and is not thrown away for its receipt.
    """
    answer = json_object(content)
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
        headroom=headroom,
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
    )
