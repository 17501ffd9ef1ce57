"""OpenAI's SDK for what is no call of a model: a client, and what its errors mean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiohttp
import httpx2
import openai
import orjson

from fanzgpt_workers.errors import TimedOut
from fanzgpt_workers.providers import chat_completions
from fanzgpt_workers.providers.classification import NOTHING_ASKED, broken, refusal
from fanzgpt_workers.providers.endpoint import Bounds, Endpoint
from fanzgpt_workers.providers.exchange import Answer
from fanzgpt_workers.providers.sdk_http import PLAIN, http_client, timeout


def open_client(endpoint: Endpoint, bounds: Bounds) -> openai.AsyncOpenAI:
    """A client for one key; nothing is sent yet."""
    client = openai.AsyncOpenAI(
        api_key=endpoint.api_key or "none",
        base_url=endpoint.base_url or chat_completions.BASE_URL,
        max_retries=0,
        timeout=timeout(bounds),
        http_client=http_client(openai.DefaultAioHttpClient, endpoint, bounds),
        default_headers=PLAIN,
    )
    # The SDK fills these in from the environment; settings are the only source.
    client.organization = client.project = None
    return client


@contextmanager
def exchange(name: str, *, about: str, now: Callable[[], float]) -> Iterator[None]:
    """Requests to the provider of this name inside; raises a ProviderError for what the SDK raises."""
    try:
        yield
    except openai.APIStatusError as error:
        told = Answer(error.response.status_code, error.response.headers, orjson.dumps(error.body))
        raise refusal(told, prompt=NOTHING_ASKED, now=now()) from error
    except TimeoutError as error:
        raise TimedOut(f"{name} did not answer about {about} in time") from error
    except (openai.APIConnectionError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
        raise broken(error) from error
