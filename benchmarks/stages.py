"""What each stage of a generation costs by itself, against a yardstick on the same machine in the same minute.

`python -m benchmarks.stages` runs every stage that needs no server a few thousand times and prints microseconds and
units; a unit is the time of reading and writing one request's JSON ten times, so that figures of different machines
compare. `--check` fails where a stage has grown by more than 15 % over `stages.json`, `--write` writes that file anew.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Annotated, Final
from uuid import UUID, uuid4

import orjson
import typer

from fanzgpt_producers.record_size import refuse_too_large
from fanzgpt_schemas.codec import decode_request, encode, new_request
from fanzgpt_workers.commands.output import Format, FormatOption, say, show_json, table
from fanzgpt_workers.core.attempts import AttemptEnded, Price, Usage
from fanzgpt_workers.core.lanes import Caps, Lanes, Slot
from fanzgpt_workers.core.offsets import OffsetTracker
from fanzgpt_workers.core.origin import Origin, Partition
from fanzgpt_workers.garbage import look_for_garbage_seldom
from fanzgpt_workers.lifecycle import events
from fanzgpt_workers.lifecycle.events import Course
from fanzgpt_workers.lifecycle.outbox import pack
from fanzgpt_workers.lifecycle.request import LiveRequest
from fanzgpt_workers.ports import Completion, ProviderCall
from fanzgpt_workers.prompts.library import PromptLibrary
from fanzgpt_workers.providers import chat_completions
from fanzgpt_workers.providers.exchange import call_headers
from fanzgpt_workers.stores.settlements import settlement_columns

BASELINE: Final = Path(__file__).with_name("stages.json")
GROWTH: Final = 1.15
ROUNDS: Final = 15
TIMES: Final = 400
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
TOPIC: Final = "ai.generation.requested"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def stages() -> dict[str, Callable[[], object]]:
    """One generation's stages, by name, each on the same request and answer."""
    request = new_request(
        type="social-post",
        request_id="r0-17",
        user_id="user-17",
        input={"topic": "morning workout 17", "platform": "instagram"},
    )
    record = encode(request, event_id=uuid4(), time=AT, source="benchmark")
    origin = Origin(TOPIC, 3, 17)
    library = PromptLibrary(today=lambda: date(2026, 1, 1))
    prompt = library.render(request)
    call = ProviderCall(
        model="gpt-4o-mini",
        prompt=prompt,
        max_tokens=1_000,
        temperature=0.7,
        timeout=30.0,
        request_id="r0-17",
        attempt_id=uuid4(),
    )
    dialect = chat_completions.Dialect.spoken_at("http://127.0.0.1/v1", limit_field="auto")
    usage = Usage(input=120, output=60)
    answer = orjson.dumps(
        {
            "id": "chatcmpl-1",
            "model": "gpt-4o-mini",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Up early. " * 20}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 120, "completion_tokens": 60, "total_tokens": 180},
        }
    )
    completion = Completion(
        text="Up early. " * 20, model="gpt-4o-mini", response_id="chatcmpl-1", finish_reason="stop", usage=usage
    )
    price = Price(usd=Decimal("0.000054"), version="2026-01")
    course = Course(
        attempts=1,
        latency_ms=900,
        provider="openai",
        model="gpt-4o-mini",
        prompt_version="social-post/1",
        usage=usage,
        price=price,
        finish_reason="stop",
    )
    output = library.read(request, completion)
    told = events.completed(_live(request, origin), output, course, at=AT)
    ended = [
        AttemptEnded(attempt_id=uuid4(), outcome="ok", usage=usage, price=price, latency_ms=900) for _ in range(64)
    ]
    owner = uuid4()
    return {
        "yardstick": lambda: [orjson.dumps(orjson.loads(record.value)) for _ in range(10)],
        "read the request": lambda: decode_request(record.value, record.headers, topic=TOPIC, partition=3, offset=17),
        "place it in its lane": _lane,
        "claim": lambda: _live(request, origin).claim(owner),
        "render the prompt": lambda: library.render(request),
        "write the call": lambda: (orjson.dumps(chat_completions.body(call, dialect)), call_headers(call)),
        "read the answer": lambda: chat_completions.read(answer, asked_model="gpt-4o-mini"),
        "check the output": lambda: library.read(request, completion),
        "write the two events": lambda: events.completed(_live(request, origin), output, course, at=AT),
        "pack the outbox": lambda: pack(told),
        "bound the events": lambda: refuse_too_large(told, 4_000_000),
        "settle 64 attempts": lambda: settlement_columns(ended),
    }


def _live(request: object, origin: Origin) -> LiveRequest:
    """As it came in: nothing about it has been worked out yet."""
    return LiveRequest(event=request, origin=origin, stated_at_ms=1, traceparent=None)  # type: ignore[arg-type]  # one of the union


def _lane() -> None:
    """In, started and out of a scheduler, and past the commit point."""
    lanes: Lanes[int] = Lanes(Caps(in_flight=8, per_user=8))
    tracker = OffsetTracker()
    slot = Slot(lane=UUID(int=1), user="user-17", partition=Partition(TOPIC, 3))
    for item in range(4):
        tracker.take(item)
        lanes.add(slot, item)
        lanes.start()
        lanes.release(slot)
        tracker.done(item)


def measured() -> dict[str, float]:
    """Microseconds of CPU of every stage: the best of many interleaved rounds, which is the least disturbed one."""
    every = stages()
    best = dict.fromkeys(every, float("inf"))
    look_for_garbage_seldom()
    for _ in range(ROUNDS):
        for name, stage in every.items():
            began = process_time()
            for _ in range(TIMES):
                stage()
            best[name] = min(best[name], (process_time() - began) / TIMES * 1e6)
    return best


@app.command()
def main(
    *,
    check: Annotated[bool, typer.Option(help="Fail where a stage has grown.")] = False,
    write: Annotated[bool, typer.Option(help="Write the figures to compare with.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Each stage by itself."""
    found = measured()
    units = {name: round(found[name] / found["yardstick"], 2) for name in found}
    if write:
        BASELINE.write_text(json.dumps(units, indent=2) + "\n")
    before: dict[str, float] = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    grown = [name for name, unit in units.items() if unit > GROWTH * before.get(name, float("inf"))]
    if output is Format.JSON:
        show_json({"microseconds": {name: round(each, 2) for name, each in found.items()}, "units": units})
    else:
        rows = [(name, f"{found[name]:.1f}", f"{units[name]:.1f}", f"{before.get(name, 0):.1f}") for name in found]
        for line in table(("stage", "µs", "units", "before"), rows, right=("µs", "units", "before")):
            say(line)
    sys.exit(1 if check and grown else 0)


if __name__ == "__main__":
    app()
