"""The local model speaks OpenAI's and Anthropic's protocol to their own SDKs."""

import json
from collections.abc import Iterator, Mapping

import pytest
from anthropic import AsyncAnthropic
from anthropic import DefaultAioHttpClient as AnthropicTransport
from openai import AsyncOpenAI
from openai import DefaultAioHttpClient as OpenAITransport

from fanzgpt_stack.servers import StackServers

STARTERS = {
    "type": "object",
    "properties": {
        "starters": {"type": "array", "items": {"type": "string", "maxLength": 40}, "minItems": 3, "maxItems": 3}
    },
    "required": ["starters"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A stack that is up without the model, and is then joined by it: the rest is not disturbed."""
    home = tmp_path_factory.mktemp("model")
    try:
        with_none = StackServers(home, with_model=False).up()
        before = {server.name: server.pid for server in StackServers(home).status()}
        with_model = StackServers(home).up()
        after = {server.name: server.pid for server in StackServers(home).status()}
        assert with_model.items() >= with_none.items()
        assert after.keys() - before.keys() == {"model"}
        assert after.items() >= before.items()
        yield with_model
    finally:
        StackServers(home).down(wipe=True)


async def test_openais_own_client_gets_an_answer(endpoints: Mapping[str, str]) -> None:
    async with AsyncOpenAI(
        base_url=endpoints["OPENAI_BASE_URL"],
        api_key=endpoints["OPENAI_API_KEY"],
        max_retries=0,
        http_client=OpenAITransport(),
    ) as client:
        answer = await client.chat.completions.create(
            model=endpoints["OPENAI_MODEL"], messages=[{"role": "user", "content": "Say hello."}], max_tokens=12
        )
    assert answer.choices[0].message.content
    assert answer.model == "smollm2"
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 12


async def test_openais_own_client_gets_exactly_the_json_it_asks_for(endpoints: Mapping[str, str]) -> None:
    async with AsyncOpenAI(
        base_url=endpoints["OPENAI_BASE_URL"], api_key="any", max_retries=0, http_client=OpenAITransport()
    ) as client:
        answer = await client.chat.completions.create(
            model=endpoints["OPENAI_MODEL"],
            messages=[{"role": "user", "content": "Three conversation starters, as JSON."}],
            max_tokens=400,
            # Sampled, the smallest model may ramble to the token limit; its likeliest words are always the same.
            temperature=0,
            seed=1,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "starters", "strict": True, "schema": STARTERS},
            },
        )
    content = json.loads(answer.choices[0].message.content or "")
    assert content.keys() == {"starters"}
    assert len(content["starters"]) == 3


async def test_anthropics_own_client_gets_an_answer(endpoints: Mapping[str, str]) -> None:
    async with AsyncAnthropic(
        base_url=endpoints["ANTHROPIC_BASE_URL"],
        api_key=endpoints["ANTHROPIC_API_KEY"],
        max_retries=0,
        http_client=AnthropicTransport(),
    ) as client:
        answer = await client.messages.create(
            model=endpoints["ANTHROPIC_MODEL"], messages=[{"role": "user", "content": "Say hello."}], max_tokens=12
        )
    assert answer.content[0].type == "text"
    assert answer.content[0].text
    assert 0 < answer.usage.output_tokens <= 12


async def test_an_answer_without_a_bound_ends_where_the_model_has_lost_its_way(endpoints: Mapping[str, str]) -> None:
    async with AsyncOpenAI(
        base_url=endpoints["OPENAI_BASE_URL"], api_key="any", max_retries=0, http_client=OpenAITransport()
    ) as client:
        answer = await client.chat.completions.create(
            model=endpoints["OPENAI_MODEL"],
            messages=[{"role": "user", "content": "Count from one to ten thousand, in words."}],
            extra_body={"ignore_eos": True},  # llama.cpp's own: it may not end by itself
        )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == int(endpoints["AI_MAX_TOKENS"])
