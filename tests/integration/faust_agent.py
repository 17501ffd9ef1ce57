"""A Faust worker that never finishes one record.

`python -m tests.integration.faust_agent BROKER GROUP TOPIC HELD FOLDER`: every record is acknowledged as it comes but the
one at offset HELD, which stays under way for ever. One line a record is printed; Faust keeps its own files in FOLDER. The
settings are those under which Faust is safest: at least once, manual acknowledgement, one at a time.
"""

import sys
from collections.abc import AsyncIterator
from typing import Any

import faust
from faust.worker import Worker

COMMIT_SECONDS = 0.2


def agent(broker: str, group: str, topic: str, held: int, folder: str) -> "faust.App":
    """The application."""
    app = faust.App(
        group,
        broker=f"kafka://{broker}",
        datadir=folder,
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        processing_guarantee="at_least_once",
        stream_publish_on_commit=False,
        broker_commit_interval=COMMIT_SECONDS,
        broker_session_timeout=6,
        broker_heartbeat_interval=1,
        stream_wait_empty=False,
        loghandlers=[],
    )
    records = app.topic(topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")

    @app.agent(records, concurrency=1)
    async def take(stream: Any) -> AsyncIterator[None]:
        unacknowledged = stream.noack()
        async for event in unacknowledged.events():
            sys.stdout.write(f"{event.message.offset}\n")
            sys.stdout.flush()
            if event.message.offset != held:
                await unacknowledged.ack(event)
            yield None

    return app


if __name__ == "__main__":
    broker, group, topic, held, folder = sys.argv[1:]
    worker = Worker(agent(broker, group, topic, int(held), folder), loglevel="ERROR", redirect_stdouts=False)
    worker.execute_from_commandline()
