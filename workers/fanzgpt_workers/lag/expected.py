"""The groups that there should be, from the topics' own account of who reads them."""

from typing import Final

from fanzgpt_schemas.topics import TopicRegistry
from fanzgpt_workers.lag.reading import Consumed
from fanzgpt_workers.settings import KafkaSettings, ProcessName

_PROCESSES: Final[tuple[ProcessName, ...]] = (
    "generation",
    "history-sink",
    "analytics-sink",
    "preferences-sink",
    "streams",
)


def expected_groups(kafka: KafkaSettings, registry: TopicRegistry) -> list[Consumed]:
    """One for each process that commits offsets; a group that never ran is behind by everything there is.

    The usage streams are an option: who does not run them is not behind.
    """
    return [
        Consumed(
            group=kafka.group(process),
            topics=[spec.name for spec in registry if process in spec.consumed_by],
            requests=process == "generation",
            optional=process == "streams",
        )
        for process in _PROCESSES
    ]
