"""What windows are cut by, and what comes out of them."""

from dataclasses import dataclass
from typing import Literal

from fanzgpt_workers.core.usage.baseline import Measure
from fanzgpt_workers.core.usage.tally import Tally

Dimension = Literal["user", "type", "provider", "model"]
WindowKind = Literal["tumbling", "hopping"]
Key = tuple[Dimension, str]
Fate = Literal["counted", "replayed", "duplicate", "late"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """How time is cut, in milliseconds; the hopping window is `panes` panes long and moves by one."""

    pane_ms: int
    panes: int
    lateness_ms: int
    threshold: float = 6.0
    settled_windows: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one ending tells; `at_ms` is its own time. What is not known is 0 or None."""

    event_id: bytes
    at_ms: int
    user: str
    type: str
    provider: str | None
    model: str | None
    failed: bool
    cached: bool
    input_tokens: int
    output_tokens: int
    cost_pico: int
    latency_ms: int | None

    def counts_for(self) -> list[Key]:
        """Everything it counts for; a model by its provider's name and its own."""
        keys: list[Key] = [("user", self.user), ("type", self.type)]
        if self.provider is not None:
            keys.append(("provider", self.provider))
            if self.model is not None:
                keys.append(("model", f"{self.provider}/{self.model}"))
        return keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window that is final: nothing that comes later changes it."""

    kind: WindowKind
    key: Key
    start_ms: int
    end_ms: int
    tally: Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A tumbling window far above its key's normal; dollars, or the share of requests that failed."""

    key: Key
    measure: Measure
    start_ms: int
    end_ms: int
    measured: float
    normal: float
    score: float
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What becomes final at once: every window that ends by `upto`."""

    upto: int
    windows: tuple[Window, ...]
    anomalies: tuple[Anomaly, ...]
