"""A model that says no is paid once: no repair turn is bought for an answer that cannot be repaired."""

import asyncio
from pathlib import Path
from uuid import uuid4

import asyncpg
from tests.e2e.processes import worker
from tests.e2e.rows import rows

from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import RequestFailed
from fanzgpt_stack.emulator.testing import RunningEmulator

SAID = {
    "refusal": "the model refused (finish reason refusal)",
    "content_filter": "the provider's content filter stopped it (finish reason content-filter)",
}


async def test_a_refusal_ends_the_request_after_one_call_and_broken_json_is_worth_another(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    run = uuid4().hex[:8]
    ids = {why: f"{why}-{run}" for why in SAID}
    mendable = f"mendable-{run}"
    emulator.script(
        [
            *({"match": {"request_id": ids[why]}, "action": {"do": "finish", "reason": why}} for why in SAID),
            {"match": {"request_id": mendable, "nth_of_request": 1}, "action": {"do": "say", "text": "no JSON"}},
        ]
    )
    starters = {"count": 3}
    with worker("generation", environ, tmp_path):
        async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
            asked = [
                await client.request("conversation-starters", user_id=run, input=starters, request_id=request_id)
                for request_id in (*ids.values(), mendable)
            ]
            *refused, answered = await asyncio.gather(
                *(handle.result(timeout=30) for handle in asked), return_exceptions=True
            )
    for (why, request_id), error in zip(ids.items(), refused, strict=True):
        assert isinstance(error, RequestFailed)
        assert (error.event.reason, error.event.retryable, error.event.detail) == ("output", False, SAID[why])
        assert (error.event.metadata.attempts, error.event.metadata.finish_reason) == (1, why.replace("_", "-"))
        [call] = await _calls(environ, request_id)
        assert (call["outcome"], call["finish_reason"]) == ("ok", why.replace("_", "-"))
    assert not isinstance(answered, BaseException), answered
    assert [call["cause"] for call in await _calls(environ, mendable)] == ["first", "repair"]
    billed = [line["request_id"] for line in emulator.bill()]
    assert {name: billed.count(name) for name in (*ids.values(), mendable)} == {
        **dict.fromkeys(ids.values(), 1),
        mendable: 2,
    }


async def _calls(environ: dict[str, str], request_id: str) -> list[asyncpg.Record]:
    """The provider calls of a request, as the ledger has them."""
    query = "SELECT a.* FROM ai_attempts a JOIN ai_requests USING (request_key) WHERE request_id = $1 ORDER BY ordinal"
    return await rows(environ["DATABASE_URL"], query, request_id, until=1)
