"""Growing answers in steps: nothing missing, nothing twice, nothing blocked, whatever becomes of the outlet."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

from tests.unit.prompts.requested import requested
from tests.unit.virtually import on_virtual_time

from fanzgpt_schemas.requests import GenerationRequested
from fanzgpt_workers.errors import CacheUnavailable
from fanzgpt_workers.filtering.filter import TermsFilter
from fanzgpt_workers.partials.showing import STEP_SECONDS, PartialAnswers, Step
from fanzgpt_workers.ports import OutputSchema, Prompt
from fanzgpt_workers.prompts.preview import preview

PROMPT = Prompt(version="t/1", system="s", turns=())
JSON_PROMPT = Prompt(version="t/1", system="s", turns=(), output_schema=OutputSchema(name="n", schema={}))


class Screen:
    """What watchers see."""

    def __init__(self) -> None:
        self.calls: list[Sequence[Step]] = []
        self.is_away = False

    async def show(self, steps: Sequence[Step]) -> None:
        if self.is_away:
            raise CacheUnavailable("away")
        self.calls.append(steps)

    def of(self, key: UUID) -> list[Step]:
        return [step for call in self.calls for step in call if step.request_key == key]


def watched(*, stream: bool | None = True) -> GenerationRequested:
    return requested("social-post", {"topic": "rain", "platform": "x"}).model_copy(update={"stream": stream})


def showing(screen: Screen, *terms: str) -> PartialAnswers:
    return PartialAnswers(screen, preview=preview, content_filter=TermsFilter(terms), away=lambda _: None)


@on_virtual_time
async def test_what_comes_within_a_moment_goes_out_together() -> None:
    screen = Screen()
    partials = showing(screen)
    following = asyncio.create_task(partials.follow())
    keys = [uuid4(), uuid4()]
    answers = [partials.begin(key, watched(), PROMPT, attempt=1) for key in keys]
    for word in ("up ", "before ", "the ", "sun"):
        for answer in answers:
            assert answer is not None
            answer.add(word)
        await asyncio.sleep(STEP_SECONDS / 8)
    await asyncio.sleep(STEP_SECONDS)
    assert len(screen.calls) == 1
    assert [step.text for step in screen.calls[0]] == ["up before the sun"] * 2
    for answer in answers:
        assert answer is not None
        answer.add(" rose")
    await asyncio.sleep(2 * STEP_SECONDS)
    assert [(step.at, step.text) for step in screen.of(keys[0])] == [(0, "up before the sun"), (17, " rose")]
    following.cancel()


@on_virtual_time
async def test_while_the_outlet_is_away_nothing_is_lost_or_shown_twice() -> None:
    screen, key = Screen(), uuid4()
    partials = showing(screen)
    following = asyncio.create_task(partials.follow())
    answer = partials.begin(key, watched(), PROMPT, attempt=2)
    assert answer is not None
    screen.is_away = True
    for word in ("one ", "two "):
        answer.add(word)
        await asyncio.sleep(3)
    screen.is_away = False
    answer.add("three")
    await asyncio.sleep(3)
    assert "".join(step.text for step in screen.of(key)) == "one two three"
    assert {step.attempt for step in screen.of(key)} == {2}
    following.cancel()


@on_virtual_time
async def test_a_blocked_term_that_comes_in_two_pieces_is_never_shown() -> None:
    screen, key = Screen(), uuid4()
    partials = showing(screen, "forbidden thing")
    following = asyncio.create_task(partials.follow())
    answer = partials.begin(key, watched(), PROMPT, attempt=1)
    assert answer is not None
    for piece in ("it was a lovely day for", " a forb", "idden", " th", "ing and so ", "we all went home again"):
        answer.add(piece)
        await asyncio.sleep(2 * STEP_SECONDS)
    shown = "".join(step.text for step in screen.of(key))
    assert shown == "it was a lovely day for"
    assert answer.characters > len(shown)
    following.cancel()


@on_virtual_time
async def test_only_who_asked_for_it_is_shown_text_and_json_never_in_parts() -> None:
    partials = showing(Screen())
    assert partials.begin(uuid4(), watched(stream=None), PROMPT, attempt=1) is None
    assert partials.begin(uuid4(), watched(stream=False), PROMPT, attempt=1) is None
    assert partials.begin(uuid4(), watched(), JSON_PROMPT, attempt=1) is None
