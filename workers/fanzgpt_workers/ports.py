"""What the engine and the request's life need of the outside world: small Protocols, implemented at the edges.

Delivery: every method returns only when its effect is durable, or raises. `Unavailable` means that the effect may or
may not have happened and the same call may be repeated: each is idempotent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, Protocol
from uuid import UUID

from pydantic import JsonValue

from fanzgpt_schemas.codec import Encoded
from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.core.attempts import AttemptEnded, AttemptStarted, Outcome, Price, Usage
from fanzgpt_workers.core.budgets import OverBudget
from fanzgpt_workers.core.claims import Claim, Verdict
from fanzgpt_workers.core.endings import Ending, SaveVerdict
from fanzgpt_workers.core.headroom import Headroom
from fanzgpt_workers.core.routing import Target


class Clock(Protocol):
    """Wall time, UTC."""

    def now(self) -> datetime:
        """The present instant, aware."""
        ...


class Ledger(Protocol):
    """The truth about requests and money. Batches keep their order: answer i belongs to argument i."""

    async def claim(self, claims: Sequence[Claim]) -> Sequence[Verdict]:
        """Take requests into ownership. The same origin again takes over from the earlier owner, one epoch up."""
        ...

    async def start_attempts(self, attempts: Sequence[AttemptStarted]) -> Sequence[bool | OverBudget]:
        """Write attempt rows; no call may be made without one.

        False where a newer epoch owns the request, OverBudget where a budget has no room for what the call reserves.
        """
        ...

    async def settle(self, ended: Sequence[AttemptEnded]) -> None:
        """Record what became of attempts, under any epoch: money is recorded even when the owner has changed."""
        ...

    async def finish(self, endings: Sequence[Ending]) -> Sequence[SaveVerdict]:
        """Save endings under their epoch, and settle their last attempts, in one transaction."""
        ...

    async def mark_published(self, request_keys: Sequence[UUID]) -> None:
        """Note that the saved events are on their topics."""
        ...


class Publisher(Protocol):
    """The way onto the topics."""

    async def publish(self, events: Sequence[Encoded]) -> None:
        """Return once every event is acknowledged by all in-sync replicas; raises BrokerUnavailable past its time.

        Raises `EventTooLarge` (of the producers' package) for an event over the broker's limit.
        """
        ...


IMAGE_CHARACTERS: Final = 6_400
"""The 1,600 tokens that Anthropic's largest images take, at four characters a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image for a model to look at: its bytes with their true type, or a `url` for the provider to fetch."""

    media_type: str = ""
    data: bytes = field(default=b"", repr=False)
    width: int = 0
    height: int = 0
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn of a conversation with a model."""

    role: Literal["user", "assistant"]
    text: str
    image: Image | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSchema:
    """The JSON schema that the answer must satisfy (objects closed, every property required)."""

    name: str
    schema: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A text to be spoken, by which voice and as which kind of file (`mp3`)."""

    text: str
    voice: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A rendered prompt. `version` names the template (`social-post/1`). With `speech` that is all there is to do."""

    version: str
    system: str
    turns: tuple[Turn, ...]
    output_schema: OutputSchema | None = None
    speech: Speech | None = None

    @property
    def characters(self) -> int:
        """How long it is in all, each image as long as the text that costs as much."""
        spoken = 0 if self.speech is None else len(self.speech.text)
        seen = IMAGE_CHARACTERS * sum(turn.image is not None for turn in self.turns)
        return len(self.system) + sum(len(turn.text) for turn in self.turns) + spoken + seen


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """One call to make. `timeout` in seconds covers the whole call, from connecting to the last byte.

    With `grown` the answer is asked for as a stream: it is told of each piece of text as it comes, and returns at once.
    """

    model: str
    prompt: Prompt
    max_tokens: int
    temperature: float
    timeout: float
    request_id: str
    attempt_id: UUID
    grown: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A provider's answer. `model` is the one that answered; `finish_reason` is why it stopped.

    `headroom` is what is left of the provider's limits, where it says so; `audio` what was spoken.
    """

    text: str
    model: str
    response_id: str | None
    finish_reason: Literal["stop", "length", "refusal", "content-filter", "other"]
    usage: Usage | None
    headroom: Headroom | None = None
    audio: bytes = field(default=b"", repr=False)


class Provider(Protocol):
    """One way to a language model. Never retries by itself; a call is one HTTP request at most."""

    @property
    def name(self) -> str:
        """As it stands in settings, attempts and metrics: `openai`, `anthropic`."""
        ...

    async def complete(self, call: ProviderCall) -> Completion:
        """Make the call; raises a ProviderError whose class says what happened. Cancelling closes the connection."""
        ...

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        ...


class StoredAnswers(Protocol):
    """Answers that a provider keeps for its callers."""

    async def find(self, attempt_id: UUID, *, model: str) -> Completion | None:
        """The answer to the call of this attempt, None where there is none yet, or none at all; nothing is charged.

        `model` is the one that was asked. Raises a ProviderError where the provider does not say.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections; idempotent."""
        ...


class Passage(Protocol):
    """One call that was let through its provider's limits."""

    def sent(self) -> None:
        """The call goes out now."""
        ...

    def over(self, outcome: Outcome, usage: Usage | None, headroom: Headroom | None, *, counted: bool) -> None:
        """The call is over: how, what it took and what is left; None where nobody said.

        Not `counted`: the provider never took it up.
        """
        ...


class Limits(Protocol):
    """What providers allow in a minute, kept by all workers together; what is too much waits, in its order."""

    @property
    def waiting(self) -> int:
        """Calls that wait for their provider's limit."""
        ...

    async def enter(self, target: Target, *, kind: str, prompt_characters: int, most_output: int) -> Passage:
        """Return once the provider has room for the call; raises LetGo when told to."""
        ...

    def let_go(self) -> None:
        """Whoever waits now is to wait no longer: the process drains."""
        ...

    async def close(self, target: Target, seconds: float) -> None:
        """Let no call through for so long: the provider asked for it."""
        ...


class Permit(Protocol):
    """One call that a breaker lets be made."""

    @property
    def target(self) -> Target:
        """To whom."""
        ...

    def holds(self) -> bool:
        """Whether it still may be made, after waiting for something else."""
        ...

    def over(self, outcome: Outcome, *, again: bool = False) -> None:
        """How it ended, `cancelled` where it was not made; `again` where its request failed there before."""
        ...


class Breakers(Protocol):
    """Which targets may be called now, as all workers together have found out."""

    @property
    def waiting(self) -> int:
        """Calls that wait because no target of theirs may be called."""
        ...

    async def enter(self, chain: Sequence[Target]) -> Permit:
        """Return once one of the chain may be called: the first that is not down; raises LetGo when told to.

        One that is down is called by one probe at a time. One that only wants to be left alone is waited for.
        """
        ...

    def let_go(self) -> None:
        """Whoever waits now is to wait no longer: the process drains."""
        ...

    async def rest(self, target: Target, seconds: float, *, is_down: bool) -> None:
        """Let nobody call it for so long: it asked for it. `is_down`: because it cannot answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAnswer:
    """An answer that was paid for once. `usd` is what it cost then, None without a known price."""

    output: Mapping[str, JsonValue]
    request_id: str
    usd: Decimal | None
    provider: str | None
    model: str | None
    prompt_version: str | None
    finish_reason: str | None


class Asking(Protocol):
    """One request's part in a question. With a `known` answer nobody has to be called; else it calls, and says how."""

    @property
    def known(self) -> KnownAnswer | None:
        """The answer, where somebody has it already."""
        ...

    def answered(self, answer: KnownAnswer) -> None:
        """Whoever asks the same, now or for a while, may have this."""
        ...

    def unanswered(self) -> None:
        """A provider would not answer: who waits for it asks by itself."""
        ...

    def left(self) -> None:
        """The request went away without a word from the provider: the next one of those who wait calls."""
        ...


class Answers(Protocol):
    """Answers that are shared by those who ask the same thing; never raises for a keeper that is away."""

    @property
    def waiting(self) -> int:
        """Requests that wait for somebody else's call."""
        ...

    async def enter(self, key: str) -> Asking:
        """Return once the answer is known or it is this request's turn to call; raises LetGo when told to."""
        ...

    def let_go(self) -> None:
        """Whoever waits now is to wait no longer: the process drains."""
        ...


class Prompts(Protocol):
    """Versioned prompt templates, one per generation type."""

    def render(self, request: GenerationRequested) -> Prompt:
        """The prompt for a request; raises OutputRefused for a type that no template serves."""
        ...

    def read(self, request: GenerationRequested, completion: Completion) -> Mapping[str, JsonValue]:
        """The answer object (`{"post": ...}`) from the model's text, checked; raises OutputRefused with the reason."""
        ...

    def repair(self, prompt: Prompt, completion: Completion, reason: str) -> Prompt:
        """The prompt that asks once more, showing the refused answer and why it was refused."""
        ...


class ContentFilter(Protocol):
    """Terms that neither a request nor an answer may contain. Whatever it raises means that nothing passes."""

    def blocks_request(self, event: GenerationRequested) -> bool:
        """Whether something that was written into the request contains a blocked term."""
        ...

    def blocks_answer(self, output: Mapping[str, JsonValue]) -> bool:
        """Whether the answer contains one."""
        ...

    def releasable(self, text: str, released: int) -> int:
        """How many characters of a text that still grows may be shown, whatever follows; never fewer than `released`.

        `released` is what it said of the same text when it was shorter.
        """
        ...


class Windows(Protocol):
    """How much each user may ask."""

    async def refusal(self, request: GenerationRequested) -> str | None:
        """Why the request is one too many; None where it is not, and then it is counted, once."""
        ...


class Growing(Protocol):
    """An answer that is being made, piece by piece."""

    @property
    def characters(self) -> int:
        """How long it is."""
        ...

    def add(self, piece: str) -> None:
        """Its next piece."""
        ...


class Partials(Protocol):
    """Where answers are shown while they are made: at best effort, since the ending holds the whole answer."""

    def begin(self, request_key: UUID, request: GenerationRequested, prompt: Prompt, *, attempt: int) -> Growing | None:
        """An answer begins, in place of those of earlier attempts; None where nobody watches or it is no text."""
        ...


class Pricing(Protocol):
    """What calls cost."""

    def price(self, *, provider: str, model: str, usage: Usage, at: datetime) -> Price:
        """The price of this usage at that time; `usd` is None for a model without a known price, never zero."""
        ...
