"""A million endings in the order in which a topic may hold them: out of order, twice, and too late."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fanzgpt_schemas.codec import Encoded, encode
from fanzgpt_schemas.facts import AnalyticsEvent

MODELS = (("openai", "gpt-4o-mini"), ("openai", "gpt-4o"), ("anthropic", "claude-haiku"))
TYPES = ("social-post", "chat-response", "content-calendar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """How many, of whom, over how long, and how badly behaved."""

    events: int
    users: int
    span: timedelta
    begin: datetime
    out_of_order: timedelta
    too_late: timedelta
    seed: int = 1


def endings(traffic: Traffic) -> Iterator[Encoded]:
    """The events; one in a hundred comes twice under the same id, one in five hundred `too_late` behind its time."""
    chance = random.Random(traffic.seed)
    step = traffic.span / traffic.events
    before: list[Encoded] = []
    for number in range(traffic.events):
        at = traffic.begin + number * step - chance.random() * traffic.out_of_order
        if chance.random() < 0.002:
            at -= traffic.too_late
        provider, model = MODELS[min(2, int(chance.random() * 4))]
        failed = chance.random() < 0.03
        event = AnalyticsEvent(
            user_id=f"user-{int(chance.random() ** 2 * traffic.users)}",
            event="generation-failed" if failed else "generation-completed",
            data={
                "requestId": f"r-{number}",
                "type": TYPES[number % 3],
                "provider": provider,
                "model": model,
                "tokens": {"input": 20 + int(chance.random() * 2_000), "output": int(chance.random() * 800)},
                "costUsd": round(chance.random() * 0.02, 9),
                "latencyMs": int(200 * 2 ** (chance.random() * 6)),
                **({"reason": "provider"} if failed else {"cached": number % 20 == 0}),
            },
        )
        identity = UUID(int=chance.getrandbits(128), version=4)
        encoded = encode(event, event_id=identity, time=at.astimezone(UTC), source="benchmark")
        yield encoded
        before.append(encoded)
        if chance.random() < 0.01:
            yield chance.choice(before)
        if len(before) > 500:
            before.pop(0)
