"""The topic registry: `topics.yaml`, read into values, or refused with everything that is wrong with it."""

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from fanzgpt_schemas.errors import ContractError, Violation
from fanzgpt_schemas.events import TOPIC_NAMES, TopicName
from fanzgpt_schemas.violations import violations

FILE: Final = "topics.yaml"

Key = Literal["userId", "subject", "origin"]
Cleanup = Literal["delete", "compact"]
Compression = Literal["none", "gzip"]


class RegistryError(ContractError):
    """The registry is wrong; every violation names its topic and field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """One topic: what it is for, who writes and reads it, and how the broker keeps it.

    `key`: `userId`, `subject` (what a fact of usage is about: `model:openai/gpt-4o`), or `origin` (place
    of the record that a dead letter is about, topic/partition/offset).
    `retention`: None keeps records for ever. `replication` and `min_in_sync` are what a cluster of that many brokers
    has; a smaller one has as many as it can.
    """

    name: TopicName
    purpose: str
    owner: str
    key: Key
    schema: str
    version: int
    partitions: int
    replication: int
    min_in_sync: int
    retention: timedelta | None
    cleanup: Cleanup
    compression: Compression
    max_message_bytes: int
    dead_letter: TopicName | None
    produced_by: tuple[str, ...]
    consumed_by: tuple[str, ...]
    personal_data: bool

    @property
    def ce_type(self) -> str:
        """The CloudEvents `type` of what travels here."""
        return f"{self.schema}.v{self.version}"

    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka spells them, all but partitions and replicas."""
        kept = -1 if self.retention is None else self.retention // timedelta(milliseconds=1)
        return {
            "cleanup.policy": self.cleanup,
            "compression.type": "uncompressed" if self.compression == "none" else self.compression,
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(self.min_in_sync),
            "retention.ms": str(kept),
        }


@dataclass(frozen=True, slots=True)
class TopicRegistry:
    """Every topic of the contract, in the order of the file."""

    topics: Mapping[TopicName, TopicSpec]

    def __getitem__(self, name: TopicName) -> TopicSpec:
        return self.topics[name]

    def __iter__(self) -> Iterator[TopicSpec]:
        return iter(self.topics.values())

    def __len__(self) -> int:
        return len(self.topics)


def load_topics(text: str) -> TopicRegistry:
    """The registry that a YAML text holds.

    Raises:
        RegistryError: what is wrong, all of it: not YAML, a field missing, unknown or out of range, a topic missing or
            unknown to the contract.
    """
    try:
        data = yaml.load(text, Loader=_NothingTwice)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.YAMLError as error:
        raise RegistryError((Violation(field=FILE, reason=f"is not YAML: {' '.join(str(error).split())}"),)) from None
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        raise RegistryError(violations(error, data)) from None
    topics = {name: _spec(name, entry) for name, entry in file.topics.items()}
    wrong = [
        *(Violation(field=f"topics.{name}", reason="is missing") for name in TOPIC_NAMES if name not in topics),
        *(violation for spec in topics.values() for violation in _inconsistent(spec)),
    ]
    if wrong:
        raise RegistryError(tuple(wrong))
    return TopicRegistry(topics)


@cache
def bundled_topics() -> TopicRegistry:
    """The registry of this release: inside an installed package, at the root of a checkout."""
    packaged = resources.files("fanzgpt_schemas") / FILE
    place = packaged if packaged.is_file() else Path(__file__).parents[2] / FILE
    return load_topics(place.read_text(encoding="utf-8"))


_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")


def _duration(value: object) -> timedelta | None:
    if value == "forever":
        return None
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a number and s, m, h or d (`7d`), or `forever`")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


class _Entry(BaseModel):
    """One topic as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    purpose: Annotated[str, Field(min_length=1)]
    owner: Annotated[str, Field(min_length=1)]
    key: Key
    schema_: Annotated[str, Field(alias="schema", min_length=1)]
    version: Annotated[int, Field(ge=1)]
    partitions: Annotated[int, Field(ge=1, le=1_000)]
    replication: Annotated[int, Field(ge=1, le=10)]
    min_in_sync: Annotated[int, Field(ge=1, le=10)]
    retention: Annotated[timedelta | None, BeforeValidator(_duration)]
    cleanup: Cleanup
    compression: Compression
    max_message_bytes: Annotated[int, Field(ge=1_024, le=100_000_000)]
    dead_letter: TopicName | None
    produced_by: Annotated[list[str], Field(min_length=1)]
    consumed_by: Annotated[list[str], Field(min_length=1)]
    personal_data: bool


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    topics: dict[TopicName, _Entry]


def _spec(name: TopicName, entry: _Entry) -> TopicSpec:
    fields = {field: getattr(entry, field) for field in type(entry).model_fields if field != "schema_"}
    fields["produced_by"] = tuple(entry.produced_by)
    fields["consumed_by"] = tuple(entry.consumed_by)
    return TopicSpec(name=name, schema=entry.schema_, **fields)


def _inconsistent(spec: TopicSpec) -> Iterator[Violation]:
    if spec.min_in_sync > spec.replication:
        reason = f"is {spec.min_in_sync}, more than the {spec.replication} replicas: nothing could be written"
        yield Violation(field=f"topics.{spec.name}.min_in_sync", reason=reason)
    if spec.dead_letter == spec.name:
        yield Violation(field=f"topics.{spec.name}.dead_letter", reason="is the topic itself")


class _NothingTwice(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, where YAML readers usually keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping, each of whose keys is there once."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands here twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
