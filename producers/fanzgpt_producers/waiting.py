"""Who waits for which answer. Pure bookkeeping: it knows no broker."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from pydantic import ValidationError

from fanzgpt_producers.endings import Ending
from fanzgpt_schemas.base import Model
from fanzgpt_schemas.fingerprint import fingerprint
from fanzgpt_schemas.requests import GenerationRequested


@dataclass(slots=True, eq=False)
class Expectation:
    """One request and the ending it will have; None once nobody listens any more."""

    request: GenerationRequested
    digest: str
    ending: "asyncio.Future[Ending | None]"
    others: "_SameId"

    def is_meant_by(self, ending: Ending) -> bool:
        """Whether the ending is of this user's request with this content.

        The same id may have been used for other content: that request is another one, with an ending of its own.
        `metadata.fingerprint` tells them apart; where it is missing, type and input have to do.
        """
        if ending.user_id != self.request.user_id:
            return False
        digest = (ending.metadata.model_extra or {}).get("fingerprint")
        if digest is not None:
            return bool(digest == self.digest)
        return ending.type == self.request.type and _same_input(self.request, ending)


@dataclass(slots=True, weakref_slot=True, eq=False)
class _SameId:
    """The expectations under one request id: nearly always one."""

    expectations: list[Expectation] = field(default_factory=list)


class Waiting:
    """The expectations of one client. An expectation that nobody holds any more is forgotten."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._by_id: WeakValueDictionary[str, _SameId] = WeakValueDictionary()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._by_id)

    def expect(self, request: GenerationRequested) -> Expectation:
        """Begin to wait. Must be called before the request is published, so that its answer finds somebody."""
        same_id = self._by_id.get(request.request_id)
        if same_id is None:
            same_id = self._by_id[request.request_id] = _SameId()
        digest = fingerprint(request).hex()
        expectation = Expectation(request, digest, asyncio.get_running_loop().create_future(), same_id)
        if self._stopped:
            expectation.ending.set_result(None)
        same_id.expectations.append(expectation)
        return expectation

    def expects(self, request_id: str) -> bool:
        """Whether anybody waits under this id."""
        return request_id in self._by_id

    def settle(self, ending: Ending) -> None:
        """Give the ending to everybody who waits for it; the first ending of a request counts."""
        same_id = self._by_id.get(ending.request_id)
        for expectation in same_id.expectations if same_id else ():
            if not expectation.ending.done() and expectation.is_meant_by(ending):
                expectation.ending.set_result(ending)

    def stop(self) -> None:
        """Nobody listens any more: tell those who wait."""
        self._stopped = True
        for same_id in list(self._by_id.values()):
            for expectation in same_id.expectations:
                if not expectation.ending.done():
                    expectation.ending.set_result(None)


def _same_input(request: GenerationRequested, ending: Ending) -> bool:
    """Whether the ending repeats the request's input, however it is spelled."""
    try:
        given = type(request.input).model_validate(ending.input)
    except ValidationError:
        return False
    return _asked(given) == _asked(request.input)


def _asked(given: Model) -> dict[str, Any]:
    return given.model_dump(exclude_none=True, exclude_defaults=True)
