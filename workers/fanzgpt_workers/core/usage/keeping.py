"""A shard as records of its table, so that whatever part of them was kept, the log's replay completes it.

Of each key of the table the last record counts: `m` how far the shard is, `w` the figures of a key in a pane, `i` the
event ids that were counted since the time before, `b` what is normal for a key. `m` is written last: what lies above
its offset belongs to a keeping that was broken off, and is recognised by the offset that every figure carries.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson

from fanzgpt_workers.core.usage.baseline import Baseline, Measure
from fanzgpt_workers.core.usage.shard import BaselineKey, Shard
from fanzgpt_workers.core.usage.tally import Tally
from fanzgpt_workers.core.usage.windows import Cut, Dimension, Key, Usage

TableRecord = tuple[bytes, bytes | None]
"""A key of the table and its value; None deletes."""

IDS_IN_A_RECORD: Final = 16_384  # 256 KiB
_ID_BYTES: Final = 16
_PROGRESS: Final = b'["m"]'


@dataclass(slots=True)
class Kept:
    """A shard and what of it is not kept yet. `blocks` are the table's records of event ids, by pane."""

    shard: Shard
    _far: tuple[int, int, int] = (-1, 0, 0)
    blocks: dict[int, list[bytes]] = field(default_factory=dict)
    _touched: dict[int, set[Key]] = field(default_factory=dict)
    _ids: dict[int, list[bytes]] = field(default_factory=dict)

    def counted(self, usage: Usage) -> None:
        """The shard has counted it."""
        end = self.shard.pane_of(usage.at_ms)
        self._touched.setdefault(end, set()).update(usage.counts_for())
        self._ids.setdefault(end, []).append(usage.event_id)

    @property
    def offset(self) -> int:
        """The last record that is kept, once what `changes` gave is."""
        return self._far[0]

    def progress(self) -> TableRecord:
        """How far the shard is kept, and closed; to be written after everything that it is about."""
        offset, newest, late = self._far
        return _PROGRESS, orjson.dumps([offset, newest, self.shard.closed, late])

    def changes(self) -> list[TableRecord]:
        """What has changed since the last time. Once all of it is acknowledged, `progress` says so."""
        shard, records = self.shard, list[TableRecord]()
        for end, keys in self._touched.items():
            pane = shard.panes.get(end, {})
            records += [(_name("w", end, *key), pane[key].encode()) for key in keys if key in pane]
        for end, ids in self._ids.items():
            for first in range(0, len(ids), IDS_IN_A_RECORD):
                name = _name("i", end, shard.offset, first)
                self.blocks.setdefault(end, []).append(name)
                records.append((name, b"".join(ids[first : first + IDS_IN_A_RECORD])))
        self._touched, self._ids = {}, {}
        self._far = (shard.offset, shard.newest, shard.late)
        return records

    def baselines(self, upto: int) -> list[TableRecord]:
        """The baselines that learnt of the windows up to here."""
        known = self.shard.baselines.items()
        since = self.shard.closed
        return [(_baseline(key), each.encode()) for key, each in known if since < each.window_end <= upto]

    def close(self, upto: int) -> Iterator[TableRecord]:
        """Close the shard; the records that delete what no later window needs, after its progress was kept."""
        shard = self.shard
        before = {end: list(pane) for end, pane in shard.panes.items()}
        shard.close(upto)
        gone = [(end, keys) for end, keys in before.items() if end not in shard.panes]
        names = [_name("w", end, *key) for end, keys in gone for key in keys]
        for end in [end for end in self.blocks if end <= shard.closed]:
            names += self.blocks.pop(end)
        names += [_baseline(key) for key in shard.forgotten()]
        return ((name, None) for name in names)


class Restoring:
    """Makes a shard of the records that a table gives back, in any number of steps."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._progress = (-1, 0, 0, 0)
        self._records: dict[bytes, bytes] = {}

    def add(self, key: bytes, value: bytes | None) -> None:
        """Take a record; of figures the furthest counts, whoever wrote it last."""
        if value is None:
            self._records.pop(key, None)
        elif key == _PROGRESS:
            offset, newest, closed, late = orjson.loads(value)
            self._progress = max(self._progress, (offset, newest, closed, late))
        else:
            before = self._records.get(key)
            if before is None or _place(key, value) >= _place(key, before):
                self._records[key] = value

    def restored(self, cut: Cut) -> Kept:
        """The shard as far as it was kept. Figures above its offset stay: the replay leaves them as they are."""
        offset, newest, closed, late = self._progress
        shard = Shard(cut=cut, offset=offset, newest=newest, closed=closed, late=late)
        kept = Kept(shard, _far=(offset, newest, late))
        for name, value in self._records.items():
            parts: list[Any] = orjson.loads(name)
            match parts:
                case ["w", end, dimension, key]:
                    if not shard.over(end):
                        shard.panes.setdefault(end, {})[cast("Dimension", dimension), key] = Tally.decode(value)
                case ["i", end, upto, _]:
                    kept.blocks.setdefault(end, []).append(name)
                    if upto <= offset and end > closed:
                        ids = shard.ids.setdefault(end, set())
                        ids.update(value[at : at + _ID_BYTES] for at in range(0, len(value), _ID_BYTES))
                case ["b", dimension, key, measure]:
                    of: BaselineKey = ((cast("Dimension", dimension), key), cast("Measure", measure))
                    shard.baselines[of] = Baseline.decode(value)
                case _:
                    raise ValueError(f"a record of the table has a key that this release does not write: {name!r}")
        return kept


def _name(*parts: str | int) -> bytes:
    return orjson.dumps(parts)


def _baseline(key: BaselineKey) -> bytes:
    (dimension, value), measure = key
    return _name("b", dimension, value, measure)


def _place(key: bytes, value: bytes) -> int:
    return 0 if key.startswith(b'["i"') else int(orjson.loads(value)[0])
