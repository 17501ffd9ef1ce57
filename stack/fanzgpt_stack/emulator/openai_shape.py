"""OpenAI's chat completions on the wire (developers' API reference, "Chat")."""

from collections.abc import Mapping, Sequence
from typing import Final
from zlib import crc32

import orjson

from fanzgpt_stack.emulator.calls import (
    Answer,
    Call,
    CallRefused,
    Finish,
    JsonObject,
    check_images,
    content_characters,
    image_tokens,
    member,
)
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.limits import Standing
from fanzgpt_stack.emulator.openai_errors import STREAM_ERROR, refusal
from fanzgpt_stack.emulator.own_ids import attempt_id, request_id
from fanzgpt_stack.emulator.replies import Headers
from fanzgpt_stack.emulator.vendor import Marks, Refusal, Refused

MODELS: Final = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano")

_MOST_METADATA, _LONGEST_METADATA = 16, 512
_FINISH: Final[dict[Finish, str]] = {
    "stop": "stop",
    "length": "length",
    "content-filter": "content_filter",
    "refusal": "stop",
    "tool": "tool_calls",
}


class OpenAIShape:
    """See `VendorShape`."""

    vendor: Final = "openai"

    def read(self, request: HttpRequest) -> Call:
        """The call in a body of `POST /v1/chat/completions`."""
        try:
            asked = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            raise CallRefused("We could not parse the JSON body of your request.") from None
        model, messages = member(asked, "model"), member(asked, "messages")
        if not isinstance(model, str) or not model:
            raise CallRefused("you must provide a model parameter")
        if not isinstance(messages, list) or not messages:
            raise CallRefused("Missing required parameter: 'messages'.")
        schema, tool = _wanted(asked)
        contents = [member(turn, "content") for turn in messages]
        for content in contents:
            check_images(content)
        limit = asked.get("max_completion_tokens", asked.get("max_tokens"))
        return Call(
            vendor="openai",
            path=request.path,
            model=model,
            stream=asked.get("stream") is True,
            stream_usage=member(asked.get("stream_options"), "include_usage") is True,
            max_tokens=limit if isinstance(limit, int) else None,
            input_tokens=(sum(map(content_characters, contents)) + 3) // 4 + sum(map(image_tokens, contents)),
            schema=schema,
            tool=tool,
            seed=crc32(request.body),
            request_id=request_id(request),
            attempt_id=attempt_id(request),
            account=request.header(b"authorization") or "",
            stored=_stored(asked),
        )

    def response_id(self, number: int) -> str:
        """`chatcmpl-` and the number."""
        return f"chatcmpl-emu{number:012}"

    def body(self, call: Call, answer: Answer, marks: Marks) -> dict[str, object]:
        """A `chat.completion`."""
        response_id = self.response_id(marks.number)
        refused = answer.finish == "refusal"
        message: dict[str, object] = {
            "role": "assistant",
            "content": None if refused or call.tool is not None else answer.text,
            "refusal": answer.text if refused else None,
            "annotations": [],
        }
        if call.tool is not None:
            message["tool_calls"] = [_tool_call(call.tool, answer.text, response_id)]
        return {
            "id": response_id,
            "object": "chat.completion",
            "created": marks.created,
            "model": call.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[answer.finish]}],
            "usage": _usage(answer),
            "service_tier": answer.kinds.tier or "default",
            "system_fingerprint": None,
        }

    def events(self, call: Call, answer: Answer, marks: Marks, pieces: Sequence[str]) -> list[bytes]:
        """`chat.completion.chunk`s, the usage where it was asked for, and `[DONE]`."""
        response_id = self.response_id(marks.number)
        first: dict[str, object] = {"role": "assistant", "content": "", "refusal": None}
        field = "refusal" if answer.finish == "refusal" else "content"
        if call.tool is not None:
            first = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"index": 0, **_tool_call(call.tool, "", response_id)}],
            }
            deltas: list[dict[str, object]] = [
                {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces
            ]
        else:
            deltas = [{field: piece} for piece in pieces]
        envelope: dict[str, object] = {
            "id": response_id,
            "object": "chat.completion.chunk",
            "created": marks.created,
            "model": call.model,
            "service_tier": answer.kinds.tier or "default",
            "system_fingerprint": None,
        }
        if call.stream_usage:
            envelope["usage"] = None
        events = [_event({**envelope, "choices": [_chunk_choice(delta, None)]}) for delta in (first, *deltas)]
        events.append(_event({**envelope, "choices": [_chunk_choice({}, _FINISH[answer.finish])]}))
        if call.stream_usage:
            events.append(_event({**envelope, "choices": [], "usage": _usage(answer)}))
        events.append(b"data: [DONE]\n\n")
        return events

    def text_event(self, event: bytes) -> bool:
        """Whether an event carries a piece of the text."""
        return b'"finish_reason":null' in event and b'"role":' not in event

    def without_usage(self, events: Sequence[bytes]) -> list[bytes]:
        """Without the last chunk, which has no choices."""
        return [event for event in events if b'"choices":[]' not in event]

    def error_event(self) -> bytes:
        """A chunk that holds an error, as the API sends it when generation fails half-way."""
        return _event(STREAM_ERROR)

    def error(self, refused: Refused) -> Refusal:
        """See `openai_errors`."""
        return refusal(refused)

    def headers(self, number: int) -> Headers:
        """The exchange's id."""
        return (("x-request-id", f"req_emu{number:012}"), ("openai-version", "2020-10-01"))

    def limit_headers(self, standing: Standing, *, now: float) -> Headers:  # noqa: ARG002  # the other vendor's are instants
        """`x-ratelimit-*`; times are durations."""
        headers: list[tuple[str, str]] = []
        for measure, level in standing.levels.items():
            if measure not in {"requests", "tokens"}:
                continue  # OpenAI tells of no others
            headers += [
                (f"x-ratelimit-limit-{measure}", str(level.limit)),
                (f"x-ratelimit-remaining-{measure}", str(level.remaining)),
                (f"x-ratelimit-reset-{measure}", _duration(level.full_in)),
            ]
        return headers

    def models(self) -> dict[str, object]:
        """The list of models."""
        models = [{"id": name, "object": "model", "created": 1_715_367_049, "owned_by": "system"} for name in MODELS]
        return {"object": "list", "data": models}


def _wanted(asked: dict[str, object]) -> tuple[JsonObject | None, str | None]:
    """The schema that the answer must satisfy, and the tool that has to be called."""
    forced = asked.get("tool_choice")
    tools = asked.get("tools")
    if isinstance(tools, list) and tools and (forced == "required" or isinstance(forced, dict)):
        name = member(member(forced, "function"), "name")
        for function in (member(tool, "function") for tool in tools):
            named, schema = member(function, "name"), member(function, "parameters")
            if isinstance(named, str) and name in {None, named}:
                return (schema if isinstance(schema, dict) else {"type": "object"}), named
        raise CallRefused("Invalid value for 'tool_choice': no function of this name was specified in 'tools'.")
    response_format = asked.get("response_format")
    match member(response_format, "type"):
        case "json_schema":
            schema = member(member(response_format, "json_schema"), "schema")
            if not isinstance(schema, dict):
                raise CallRefused("Missing required parameter: 'response_format.json_schema.schema'.")
            return schema, None
        case "json_object":
            return {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}, None
        case _:
            return None, None


def _stored(asked: dict[str, object]) -> Mapping[str, str] | None:
    """The metadata of an answer that is to be stored."""
    metadata = asked.get("metadata") or {}
    if asked.get("store") is not True:
        if metadata:
            raise CallRefused("The 'metadata' parameter is only allowed when 'store' is enabled.")
        return None
    if not isinstance(metadata, dict) or len(metadata) > _MOST_METADATA:
        raise CallRefused("Invalid 'metadata': expected an object with at most 16 properties.")
    if not all(isinstance(value, str) and len(value) <= _LONGEST_METADATA for value in metadata.values()):
        raise CallRefused("Invalid 'metadata': expected strings with at most 512 characters.")
    return metadata


def _chunk_choice(delta: dict[str, object], finish: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _tool_call(name: str, arguments: str, response_id: str) -> dict[str, object]:
    return {
        "id": response_id.replace("chatcmpl-", "call_"),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _usage(answer: Answer) -> dict[str, object]:
    kinds = answer.kinds
    of_input: dict[str, object] = {"cached_tokens": kinds.cache_read, "audio_tokens": kinds.input_audio}
    if kinds.cache_write:
        of_input["cache_write_tokens"] = kinds.cache_write
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": of_input,
        "completion_tokens_details": {
            "reasoning_tokens": kinds.reasoning,
            "audio_tokens": kinds.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _event(document: dict[str, object]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _duration(seconds: float) -> str:
    """As in `6m0s`, `1.5s` and `12ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.3g}s" if minutes else f"{rest:.4g}s"
