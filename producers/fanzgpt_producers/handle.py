"""A request that was published, and the way to its answer."""

import asyncio
from typing import Final

from fanzgpt_producers.endings import Ending
from fanzgpt_producers.errors import AnswerTimeout, ListeningStopped, RequestFailed
from fanzgpt_producers.waiting import Expectation
from fanzgpt_schemas.generation import GenerationCompleted, GenerationFailed
from fanzgpt_schemas.requests import GenerationRequested

ANSWER_SECONDS: Final = 30.0


class Handle:
    """One published request. The answer is kept for as long as the handle is; dropping it stops nothing."""

    __slots__ = ("_expectation", "request")

    def __init__(self, request: GenerationRequested, expectation: Expectation | None) -> None:
        """Made by the client; `expectation` is None where it does not listen."""
        self.request: Final = request
        self._expectation = expectation

    def __repr__(self) -> str:
        return f"Handle(request_id={self.request_id!r}, user_id={self.user_id!r}, type={self.request.type!r})"

    @property
    def request_id(self) -> str:
        """The id under which the request is known everywhere, within its user."""
        return self.request.request_id

    @property
    def user_id(self) -> str:
        """Whose request it is."""
        return self.request.user_id

    async def result(self, timeout: float = ANSWER_SECONDS) -> GenerationCompleted:  # noqa: ASYNC109 - not a cancellation: the request goes on
        """The answer, waiting for it for at most `timeout` seconds; any number of tasks may ask, any number of times.

        Raises:
            RequestFailed: the request ended without an answer; the error holds the ending.
            AnswerTimeout: nothing came in that time; the request goes on, and `result` may be asked again.
            ListeningStopped: the client was closed, or was told not to listen.
        """
        ending = await self.ending(timeout)
        if isinstance(ending, GenerationFailed):
            raise RequestFailed(ending)
        return ending

    async def ending(self, timeout: float = ANSWER_SECONDS) -> Ending:  # noqa: ASYNC109 - as above
        """The ending, whichever it is; raises like `result`, save for RequestFailed."""
        if self._expectation is None:
            raise ListeningStopped(request_id=self.request_id)
        future = self._expectation.ending
        if not future.done():
            # Waits without owning: a cancelled waiter leaves the future to the others.
            await asyncio.wait((future,), timeout=timeout)
            if not future.done():
                raise AnswerTimeout(request_id=self.request_id, seconds=timeout)
        ending = future.result()
        if ending is None:
            raise ListeningStopped(request_id=self.request_id)
        return ending
