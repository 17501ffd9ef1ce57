"""A known answer as the JSON value that is kept."""

from decimal import Decimal, InvalidOperation

import orjson

from fanzgpt_workers.ports import KnownAnswer

LARGEST_BYTES = 256 * 1024
"""Longer ones are not kept: the cache is for what is asked often, and that is short."""


def write(answer: KnownAnswer) -> str | None:
    """The text; None for an answer too long to keep."""
    text = orjson.dumps(
        {
            "output": answer.output,
            "requestId": answer.request_id,
            "costUsd": None if answer.usd is None else str(answer.usd),
            "provider": answer.provider,
            "model": answer.model,
            "promptVersion": answer.prompt_version,
            "finishReason": answer.finish_reason,
        }
    )
    return text.decode() if len(text) <= LARGEST_BYTES else None


def read(text: str) -> KnownAnswer | None:
    """The answer; None for a value of another make, which is as good as none."""
    try:
        kept = orjson.loads(text)
        output, cost = kept["output"], kept["costUsd"]
        if not isinstance(output, dict):
            return None
        return KnownAnswer(
            output=output,
            request_id=str(kept["requestId"]),
            usd=None if cost is None else Decimal(cost),
            provider=kept["provider"],
            model=kept["model"],
            prompt_version=kept["promptVersion"],
            finish_reason=kept["finishReason"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, InvalidOperation):
        return None
