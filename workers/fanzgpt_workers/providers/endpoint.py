"""Where a provider is reached and within which bounds."""

from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["chat-completions", "messages"]
LimitField = Literal["auto", "max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One provider.

    `name` is what settings, attempts and metrics call it. `base_url` unset means the maker of the protocol: OpenAI with
    its `/v1` for `chat-completions`, Anthropic without for `messages`. No `api_key` sends no Authorization header.
    `limit_field` names the field that carries the output limit to a chat-completions endpoint: see `chat_completions`.
    `proxy` is an HTTP proxy's URL. `priced_as` is the price list's id of the provider whose prices hold here; unset,
    the address says. With `stores_answers` the provider is asked to keep what it answers, to be fetched by its attempt.
    """

    name: str
    protocol: Protocol
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    limit_field: LimitField = "auto"
    proxy: str | None = field(default=None, repr=False)
    priced_as: str | None = None
    stores_answers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one provider may use.

    `connections` must be at least the calls in flight, or calls wait for each other inside their own time.
    `connect_seconds`: a server that does not take a connection within this was never asked, and nothing is billed.
    `keepalive_seconds` is under the 5 s after which common servers close an idle connection, because a call sent into a
    closing connection is a call of unknown outcome. `answer_bytes`: a larger answer is not read to its end.
    """

    connections: int = 1_024
    connect_seconds: float = 5.0
    keepalive_seconds: float = 4.0
    answer_bytes: int = 4 * 1024 * 1024
