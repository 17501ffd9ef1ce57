"""Windows of usage are what PostgreSQL computes from the same log, with the process killed in the middle."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from benchmarks.streams import Position, written
from benchmarks.usage_events import Traffic
from benchmarks.usage_truth import differences, ends, loaded, told, truth
from tests.e2e.processes import worker

PANE, LATENESS, PANES = 60_000, 120_000, 5


async def test_every_window_equals_sql_over_the_same_log_though_the_process_was_killed_over_it(
    environ: dict[str, str], tmp_path: Path
) -> None:
    bootstrap, group = environ["KAFKA_BOOTSTRAP_SERVERS"], f"{environ['KAFKA_GROUP_PREFIX']}.streams"
    since = await ends(bootstrap, "ai.analytics.event")
    facts_since = await ends(bootstrap, "ai.usage.window")
    traffic = Traffic(
        events=4_000,
        users=30,
        span=timedelta(minutes=12),
        begin=datetime.now(UTC) - timedelta(hours=1),
        out_of_order=timedelta(seconds=60),
        too_late=timedelta(minutes=6),
    )
    number = await written(bootstrap, traffic)
    own = {**environ, "STREAMS_IDLE_SECONDS": "86400", "STREAMS_CHECKPOINT_SECONDS": "0.05"}
    async with Position(bootstrap, group) as position:
        before = await position.committed()
        with worker("streams", own, tmp_path) as first:
            await position.reaches(before + 1, every=0.01)
            first.kill()
        with worker("streams", own, tmp_path) as second:
            await position.reaches(sum((await ends(bootstrap, "ai.analytics.event")).values()), every=0.05)
            second.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(second.wait, 20) == 0
    connection = await asyncpg.connect(environ["DATABASE_URL"])
    try:
        assert await loaded(connection, bootstrap, "ai.analytics.event", since) == number
        expected = await truth(connection, pane_ms=PANE, lateness_ms=LATENESS, panes=PANES)
    finally:
        await connection.close()
    found = await told(bootstrap, facts_since)
    assert len(expected) > 500
    assert differences(expected, found) == []
    assert found.contradicted == 0
