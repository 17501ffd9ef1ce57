"""How services are meant to use the client, as a type checker sees it; never run.

`make check` reads it: what is right must type-check, and each `type: ignore` stands on a line that must not, for the
reason it names. An ignore that is no longer needed is an error too.
"""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import assert_type

import fanzgpt_producers
from fanzgpt_producers import (
    AnswerTimeout,
    BrokerUnavailable,
    Ending,
    GenerationClient,
    Handle,
    ProducerError,
    RequestFailed,
    RequestUnconfirmed,
    publish_many,
    subscribe_completions,
    subscribe_endings,
)
from fanzgpt_schemas import GenerationCompleted, GenerationFailed, GenerationRequested
from fanzgpt_schemas.inputs import SocialPostInput


async def what_is_right(client: GenerationClient) -> None:
    """Every way of asking, and what comes of it."""
    handle = await client.request("social-post", user_id="u-1", input={"topic": "yoga", "platform": "x"})
    assert_type(handle, Handle)
    assert_type(handle.request_id, str)
    assert_type(await handle.result(timeout=30), GenerationCompleted)
    assert_type(await handle.ending(), GenerationCompleted | GenerationFailed)

    model = SocialPostInput(topic="yoga", platform="x")
    asked = await client.request(
        "social-post",
        user_id="u-1",
        input=model,
        deadline=timedelta(minutes=5),
        on_unknown="fail",
        priority="priority",
        options={"temperature": 0.2, "preferences": {"tone": "warm"}},
    )
    assert_type(await client.cancel(asked), None)
    assert_type(await client.generate("chat-response", user_id="u-1", input={"message": "hi"}), GenerationCompleted)


async def what_is_followed(servers: str) -> None:
    """Subscriptions tell apart what may come."""
    completions = subscribe_completions(servers, group_id="g")
    assert_type(completions, AsyncGenerator[GenerationCompleted, None])
    async for completion in completions:
        assert_type(completion.metadata.cost_usd, float | None)
    async for ending in subscribe_endings(servers, group_id="g"):
        assert_type(ending, Ending)
        match ending:
            case GenerationFailed():
                assert_type(ending.retryable, bool)
            case GenerationCompleted():
                assert_type(ending.request_id, str)


async def what_is_published(client: GenerationClient, requests: list[GenerationRequested]) -> None:
    """A publisher of the client's is one for bulks."""
    assert_type(await publish_many(client.publisher, requests, source="here"), int)


def what_is_caught(error: ProducerError) -> str | None:
    """Each error holds what its reader needs."""
    match error:
        case RequestUnconfirmed():
            assert_type(error.request_id, str)
            return error.request_id
        case BrokerUnavailable():
            return error.bootstrap_servers
        case RequestFailed():
            assert_type(error.event, GenerationFailed)
            return error.event.reason
        case AnswerTimeout():
            return f"{error.seconds:g}"
        case _:
            return None


async def what_is_wrong(client: GenerationClient) -> None:
    """Mistakes that a type checker finds before anybody runs them."""
    given = {"topic": "yoga", "platform": "x"}
    await client.request("poem", user_id="u-1", input=given)  # type: ignore[arg-type]  # no such type
    await client.request("social-post", input=given)  # type: ignore[call-arg]  # on nobody's behalf
    await client.request("social-post", "u-1", given)  # type: ignore[call-arg]  # fields are given by name
    await client.request("social-post", user_id=7, input=given)  # type: ignore[arg-type]  # ids are texts
    await client.request("social-post", user_id="u-1", input="yoga")  # type: ignore[arg-type]  # fields, not a text
    await client.request(
        "social-post",
        user_id="u-1",
        input=given,
        priority="urgent",  # type: ignore[arg-type]  # no such topic
    )
    await client.request(
        "social-post",
        user_id="u-1",
        input=given,
        on_unknown="ignore",  # type: ignore[arg-type]  # retry or fail
    )
    await client.request(
        "social-post",
        user_id="u-1",
        input=given,
        deadline=30,  # type: ignore[arg-type]  # an instant or a duration: a number says neither
    )
    client.request("social-post", user_id="u-1", input=given)  # type: ignore[unused-coroutine]  # never sent
    answer = await client.generate("social-post", user_id="u-1", input=given)
    _ = answer["post"]  # type: ignore[index]  # the answer object is in `output`
    _ = answer.output.post  # type: ignore[attr-defined]  # and is JSON
    _ = fanzgpt_producers.GenerationCliemt  # type: ignore[attr-defined]  # a name that there is not
