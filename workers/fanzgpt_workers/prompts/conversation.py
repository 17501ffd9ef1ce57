"""A chat's history as turns that every provider takes: the other person first, and taking turns."""

from collections.abc import Sequence
from typing import Final

from fanzgpt_schemas.inputs import ChatTurn
from fanzgpt_workers.ports import Turn
from fanzgpt_workers.prompts.blocks import inert

HISTORY_CHARACTERS: Final = 60_000
_BEFORE_OUR_FIRST: Final = "(The conversation begins with your message.)"


def recent(history: Sequence[ChatTurn]) -> Sequence[ChatTurn]:
    """The newest lines that fit the bound, oldest first; what came before them is left out."""
    left, first = HISTORY_CHARACTERS, len(history)
    while first > 0 and len(history[first - 1].content) <= left:
        first -= 1
        left -= len(history[first].content)
    return history[first:]


def notes(history: Sequence[ChatTurn]) -> str:
    """What the caller noted as `system` lines: background about the conversation, not instruction."""
    return "\n".join(line.content for line in history if line.role == "system")


def turns(history: Sequence[ChatTurn], last: str) -> tuple[Turn, ...]:
    """Alternating turns that end with `last` as the other person's; lines of one side in a row are joined."""
    merged: list[Turn] = []
    for line in history:
        if line.role != "system":
            _append(merged, Turn(role=line.role, text=inert(line.content)))
    _append(merged, Turn(role="user", text=last))
    if merged[0].role == "assistant":
        merged.insert(0, Turn(role="user", text=_BEFORE_OUR_FIRST))
    return tuple(merged)


def _append(merged: list[Turn], turn: Turn) -> None:
    if merged and merged[-1].role == turn.role:
        merged[-1] = Turn(role=turn.role, text=f"{merged[-1].text}\n{turn.text}")
    else:
        merged.append(turn)
