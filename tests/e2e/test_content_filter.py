"""Blocked terms by the topic: told to the sender, no call made, and an answer that contains one is kept from everybody."""

from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.processes import worker

from fanzgpt_producers.client import GenerationClient
from fanzgpt_producers.errors import RequestFailed
from fanzgpt_stack.emulator.testing import RunningEmulator


async def test_neither_a_request_nor_an_answer_passes_with_a_blocked_term(
    environ: dict[str, str], emulator: RunningEmulator, tmp_path: Path
) -> None:
    user, answered_badly = str(uuid4()), str(uuid4())
    emulator.script([{"match": {"request_id": answered_badly}, "action": {"do": "say", "text": "BADWORD to you"}}])
    blocking = {**environ, "BLOCKED_TERMS": "badword, free money"}
    with worker("generation", blocking, tmp_path):
        async with GenerationClient(bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"]) as client:
            fine: dict[str, object] = {"topic": "yoga", "platform": "x"}
            asked = await client.request("social-post", user_id=user, input={**fine, "topic": "get fr\u0435e m0ney"})
            with pytest.raises(RequestFailed, match="rejected: Content contains blocked terms"):
                await asked.result(timeout=30)
            answered = await client.request("social-post", user_id=user, input=fine, request_id=answered_badly)
            with pytest.raises(RequestFailed, match="rejected: Content contains blocked terms") as kept:
                await answered.result(timeout=30)
            assert kept.value.event.metadata.tokens is not None  # it was paid for
            clean = await client.request("social-post", user_id=user, input=fine)
            assert (await clean.result(timeout=30)).output["post"]
    mine = {asked.request_id, answered_badly, clean.request_id}
    called = [line["request_id"] for line in emulator.bill() if line["request_id"] in mine]
    assert called == [answered_badly, clean.request_id]
