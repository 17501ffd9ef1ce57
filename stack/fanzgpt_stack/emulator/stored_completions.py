"""OpenAI's stored chat completions on the wire (developers' API reference, "Chat": list, get, delete)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from fanzgpt_stack.emulator.calls import Call
from fanzgpt_stack.emulator.http_requests import HttpRequest
from fanzgpt_stack.emulator.openai_errors import invalid
from fanzgpt_stack.emulator.replies import Reply, json_reply

PATH: Final = "/v1/chat/completions"
MOST_KEPT: Final = 10_000
_MOST_LISTED: Final = 100


@dataclass(frozen=True, slots=True)
class _Stored:
    account: str
    model: str
    metadata: Mapping[str, str]
    document: Mapping[str, object]
    from_: float


class StoredCompletions:
    """What callers asked to have stored, the newest ten thousand; each account sees its own.

    An answer is there from the instant at which it is sent, whether or not its caller still listens then.
    """

    def __init__(self, *, now: Callable[[], float]) -> None:
        """`now` is seconds since the epoch."""
        self._now = now
        self._stored: dict[str, _Stored] = {}

    def keep(self, call: Call, metadata: Mapping[str, str], document: Mapping[str, object], *, at: float) -> None:
        """Keep the whole answer to a call under its metadata; it is there from `at` on."""
        document = {**document, "metadata": dict(metadata)}
        self._stored[str(document["id"])] = _Stored(call.account, call.model, metadata, document, at)
        if len(self._stored) > MOST_KEPT:
            del self._stored[next(iter(self._stored))]

    def reply(self, request: HttpRequest) -> Reply | None:
        """The reply; None for a request that is none of stored completions."""
        if request.path != PATH and not request.path.startswith(PATH + "/"):
            return None
        account, name = request.header(b"authorization") or "", request.path[len(PATH) + 1 :]
        there = {
            each: kept for each, kept in self._stored.items() if kept.account == account and kept.from_ <= self._now()
        }
        match request.method, name:
            case "GET", "":
                return self._listed(request, there)
            case "GET", _ if name in there:
                return json_reply(there[name].document)
            case "DELETE", _ if name in there:
                del self._stored[name]
                return json_reply({"object": "chat.completion.deleted", "id": name, "deleted": True})
            case _:
                return invalid(404, f"No chat completion found with id '{name}'.")

    def _listed(self, request: HttpRequest, there: Mapping[str, _Stored]) -> Reply:
        wanted = dict(parse_qsl(request.query))
        metadata = {
            field.removeprefix("metadata[").removesuffix("]"): value
            for field, value in wanted.items()
            if field.startswith("metadata[")
        }
        found = [
            kept.document
            for kept in there.values()
            if metadata.items() <= kept.metadata.items() and wanted.get("model", kept.model) == kept.model
        ]
        if wanted.get("order") == "desc":
            found.reverse()
        places = [str(each["id"]) for each in found]
        if (after := wanted.get("after")) in places:
            found = found[places.index(after) + 1 :]
        page = found[: min(int(wanted.get("limit", "20")), _MOST_LISTED)]
        return json_reply(
            {
                "object": "list",
                "data": page,
                "first_id": page[0]["id"] if page else None,
                "last_id": page[-1]["id"] if page else None,
                "has_more": len(found) > len(page),
            }
        )
