"""Tests on virtual time: an hour of waiting costs nothing, and passes exactly."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

from tests.simulation.clock import VirtualLoop, run

Given = ParamSpec("Given")


def on_virtual_time(test: Callable[Given, Coroutine[Any, Any, None]]) -> Callable[Given, None]:
    """Run a test on a loop whose seconds cost nothing."""

    @wraps(test)
    def running(*given: Given.args, **named: Given.kwargs) -> None:
        run(test(*given, **named), VirtualLoop())

    return running
