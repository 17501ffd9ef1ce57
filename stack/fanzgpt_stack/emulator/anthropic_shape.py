"""Anthropic's messages on the wire (API reference, "Messages", version 2023-06-01)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Final
from zlib import crc32

import orjson

from fanzgpt_stack.emulator.anthropic_errors import error_document, exchange_id, refusal
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
from fanzgpt_stack.emulator.own_ids import attempt_id, request_id
from fanzgpt_stack.emulator.replies import Headers
from fanzgpt_stack.emulator.vendor import Marks, Refusal, Refused

MODELS: Final = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")

_FINISH: Final[dict[Finish, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content-filter": "refusal",
    "refusal": "refusal",
    "tool": "tool_use",
}


class AnthropicShape:
    """See `VendorShape`."""

    vendor: Final = "anthropic"

    def read(self, request: HttpRequest) -> Call:
        """The call in a body of `POST /v1/messages`."""
        try:
            asked = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            raise CallRefused("The request body is not valid JSON.") from None
        model, messages, limit = (member(asked, name) for name in ("model", "messages", "max_tokens"))
        if not isinstance(model, str) or not model:
            raise CallRefused("model: Field required")
        if not isinstance(messages, list) or not messages:
            raise CallRefused("messages: Field required")
        if not isinstance(limit, int):
            raise CallRefused("max_tokens: Field required")
        schema, tool = _wanted(asked)
        characters = content_characters(asked.get("system"))
        contents = [member(turn, "content") for turn in messages]
        for content in contents:
            check_images(content)
        characters += sum(map(content_characters, contents))
        return Call(
            vendor="anthropic",
            path=request.path,
            model=model,
            stream=asked.get("stream") is True,
            stream_usage=True,
            max_tokens=limit,
            input_tokens=(characters + 3) // 4 + sum(map(image_tokens, contents)),
            schema=schema,
            tool=tool,
            seed=crc32(request.body),
            request_id=request_id(request),
            attempt_id=attempt_id(request),
            account=request.header(b"x-api-key") or request.header(b"authorization") or "",
        )

    def response_id(self, number: int) -> str:
        """`msg_` and the number."""
        return f"msg_emu{number:012}"

    def body(self, call: Call, answer: Answer, marks: Marks) -> dict[str, object]:
        """A `message`."""
        response_id = self.response_id(marks.number)
        if call.tool is not None:
            block = _tool_use(call.tool, orjson.loads(answer.text) if answer.finish == "tool" else {}, response_id)
        else:
            block = {"type": "text", "text": answer.text, "citations": None}
        return _message(call, [block], response_id, _FINISH[answer.finish], _usage(answer, answer.output_tokens))

    def events(self, call: Call, answer: Answer, marks: Marks, pieces: Sequence[str]) -> list[bytes]:
        """From `message_start` to `message_stop`."""
        response_id = self.response_id(marks.number)
        start = _message(call, [], response_id, None, _usage(answer, 1))
        if call.tool is None:
            block: dict[str, object] = {"type": "text", "text": ""}
            deltas: list[dict[str, object]] = [{"type": "text_delta", "text": piece} for piece in pieces]
        else:
            block = _tool_use(call.tool, {}, response_id)
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        return [
            _event("message_start", message=start),
            _event("content_block_start", index=0, content_block=block),
            _event("ping"),
            *[_event("content_block_delta", index=0, delta=delta) for delta in deltas],
            _event("content_block_stop", index=0),
            _event(
                "message_delta",
                delta={"stop_reason": _FINISH[answer.finish], "stop_sequence": None},
                usage={"output_tokens": answer.output_tokens},
            ),
            _event("message_stop"),
        ]

    def text_event(self, event: bytes) -> bool:
        """Whether an event carries a piece of the text."""
        return event.startswith(b"event: content_block_delta")

    def without_usage(self, events: Sequence[bytes]) -> list[bytes]:
        """Without the counts of `message_delta`; `message_start` keeps the question's."""
        return [_uncounted(event) if event.startswith(b"event: message_delta") else event for event in events]

    def error_event(self) -> bytes:
        """An `error` event: documented as what an overload looks like after the stream has begun."""
        return b"event: error\ndata: " + orjson.dumps(error_document("overloaded_error", "Overloaded", None)) + b"\n\n"

    def error(self, refused: Refused) -> Refusal:
        """See `anthropic_errors`."""
        return refusal(refused)

    def headers(self, number: int) -> Headers:
        """The exchange's id."""
        return (("request-id", exchange_id(number)),)

    def limit_headers(self, standing: Standing, *, now: float) -> Headers:
        """`anthropic-ratelimit-*`; times are instants."""
        headers: list[tuple[str, str]] = []
        for measure, level in standing.levels.items():
            full_at = datetime.fromtimestamp(ceil(now + level.full_in), UTC)
            headers += [
                (f"anthropic-ratelimit-{measure}-limit", str(level.limit)),
                (f"anthropic-ratelimit-{measure}-remaining", str(level.remaining)),
                (f"anthropic-ratelimit-{measure}-reset", f"{full_at:%Y-%m-%dT%H:%M:%SZ}"),
            ]
        return headers

    def models(self) -> dict[str, object]:
        """The list of models."""
        models = [
            {"id": name, "type": "model", "display_name": name, "created_at": "2025-10-01T00:00:00Z"} for name in MODELS
        ]
        return {"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}


def _wanted(asked: dict[str, object]) -> tuple[JsonObject | None, str | None]:
    """The schema that the answer must satisfy, and the tool that has to be used."""
    forced, tools = asked.get("tool_choice"), asked.get("tools")
    if isinstance(tools, list) and tools and member(forced, "type") in {"tool", "any"}:
        name = member(forced, "name")
        for tool in tools:
            named, schema = member(tool, "name"), member(tool, "input_schema")
            if isinstance(named, str) and name in {None, named}:
                return (schema if isinstance(schema, dict) else {"type": "object"}), named
        raise CallRefused("tool_choice: no tool of this name in `tools`")
    # `output_format` at the top is how the beta asked for it.
    wanted = member(asked.get("output_config"), "format") or asked.get("output_format")
    if member(wanted, "type") != "json_schema":
        return None, None
    schema = member(wanted, "schema")
    if not isinstance(schema, dict):
        raise CallRefused("output_config.format.schema: Field required")
    return schema, None


def _message(
    call: Call, content: list[dict[str, object]], response_id: str, stop: str | None, usage: dict[str, object]
) -> dict[str, object]:
    return {
        "id": response_id,
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    }


def _tool_use(name: str, arguments: object, response_id: str) -> dict[str, object]:
    return {"type": "tool_use", "id": response_id.replace("msg_", "toolu_"), "name": name, "input": arguments}


def _usage(answer: Answer, output_tokens: int) -> dict[str, object]:
    kinds = answer.kinds
    return {
        "input_tokens": answer.input_tokens - kinds.cache_read - kinds.cache_write,
        "cache_creation_input_tokens": kinds.cache_write,
        "cache_read_input_tokens": kinds.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": kinds.cache_write - kinds.cache_write_1h,
            "ephemeral_1h_input_tokens": kinds.cache_write_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": kinds.tier or "standard",
    }


def _event(kind: str, **members: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **members}))


def _uncounted(event: bytes) -> bytes:
    document = orjson.loads(event.partition(b"data: ")[2])
    return _event("message_delta", delta=document["delta"])
