"""What the filter reads of requests and answers, and how its terms change."""

import asyncio
from pathlib import Path

import pytest

from fanzgpt_schemas.codec import new_request
from fanzgpt_schemas.requests import GenerationType
from fanzgpt_workers.errors import ConfigurationError
from fanzgpt_workers.filtering import filter as filtering
from fanzgpt_workers.filtering.filter import TermsFilter

BLOCKED = TermsFilter(["badword"])
WRITTEN: dict[GenerationType, list[dict[str, object]]] = {
    "social-post": [{"topic": "badword", "platform": "x"}, {"topic": "fine", "platform": "badword"}],
    "personalized-message": [
        {"recipientId": "1", "context": "a badword", "relationship": "fan"},
        {"recipientId": "1", "context": {"deep": [{"er": "badword"}]}, "relationship": "fan"},
        {"recipientId": "1", "context": "fine", "relationship": "badword"},
    ],
    "chat-response": [
        {"message": "b.a.d.w.o.r.d"},
        {"message": "fine", "history": ["badword"]},
        {"message": "fine", "history": [{"role": "assistant", "content": "badword"}]},
    ],
    "conversation-starters": [{"context": "badword"}, {"context": {"badword": 1}}],
    "content-calendar": [{"timeframe": "badword"}, {"timeframe": "week", "preferences": {"tone": "badword"}}],
    "performance-analysis": [{"timeframe": "BADWORD"}],
    "image-analysis": [{"imageUrl": "https://x.example/a.png", "analysisType": "badword"}],
    "voice-synthesis": [{"text": "badword", "voice": "alloy"}],
}


@pytest.mark.parametrize(("kind", "given"), [(kind, given) for kind, each in WRITTEN.items() for given in each])
def test_every_free_text_of_every_type_is_read(kind: GenerationType, given: dict[str, object]) -> None:
    request = new_request(type=kind, user_id="u", request_id="r", input=given)
    assert BLOCKED.blocks_request(request)


def test_wishes_are_read_and_names_of_things_are_not() -> None:
    given = {"topic": "fine", "platform": "x"}
    wished = new_request(
        type="social-post", user_id="u", request_id="r", input=given, options={"preferences": {"tone": "badword"}}
    )
    assert BLOCKED.blocks_request(wished)
    named = new_request(
        type="personalized-message",
        user_id="badword",
        request_id="badword",
        input={"recipientId": "badword", "context": "fine", "relationship": "fan"},
    )
    assert not BLOCKED.blocks_request(named)


def test_answers_are_read_to_their_depths() -> None:
    assert BLOCKED.blocks_answer({"calendar": {"entries": [{"idea": "a badword"}]}})
    assert not BLOCKED.blocks_answer({"post": "fine", "count": 3, "none": None})


async def test_a_changed_file_is_read_again_and_a_lost_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtering, "LOOK_SECONDS", 0.01)
    file = tmp_path / "terms.txt"
    file.write_text("# ours\nfirst\n\n")
    terms = TermsFilter(["own"], file=file)
    assert terms.size == 2
    told: asyncio.Queue[int | ConfigurationError] = asyncio.Queue()
    following = asyncio.create_task(terms.follow(told=told.put_nowait))
    file.write_text("first\nsecond\n")
    assert await asyncio.wait_for(told.get(), 5) == 3
    assert terms.blocks_answer({"post": "second"})
    file.unlink()
    lost = await asyncio.wait_for(told.get(), 5)
    assert "BLOCKED_TERMS_FILE" in str(lost)
    assert terms.blocks_answer({"post": "second"})
    following.cancel()


def test_a_file_that_is_not_there_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="BLOCKED_TERMS_FILE"):
        TermsFilter([], file=tmp_path / "none.txt")
