"""The events of an ending as one text, so that whoever publishes it later publishes the very same bytes."""

from collections.abc import Sequence

import orjson

from fanzgpt_schemas.codec import Encoded


def pack(events: Sequence[Encoded]) -> str:
    """The text; keys, values and headers are UTF-8 by the codec's promise."""
    return orjson.dumps(
        [
            {
                "topic": event.topic,
                "key": event.key.decode(),
                "value": event.value.decode(),
                "headers": [[name, value.decode()] for name, value in event.headers],
            }
            for event in events
        ]
    ).decode()


def unpack(text: str) -> list[Encoded]:
    """The events that were packed, byte for byte."""
    return [
        Encoded(
            topic=event["topic"],
            key=event["key"].encode(),
            value=event["value"].encode(),
            headers=tuple((name, value.encode()) for name, value in event["headers"]),
        )
        for event in orjson.loads(text)
    ]
