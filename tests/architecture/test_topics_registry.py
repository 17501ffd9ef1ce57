"""topics.yaml and the code say the same, and both keep what was promised to other services."""

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from fanzgpt_producers.publisher import MAX_EVENT_BYTES
from fanzgpt_schemas.errors import ContractError
from fanzgpt_schemas.events import REQUESTED_SPEC, SPECS, TOPIC_NAMES, VALUE_LIMITS
from fanzgpt_schemas.release import event_specs, path_of
from fanzgpt_schemas.topics import RegistryError, TopicSpec, bundled_topics, load_topics

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "topics.yaml").read_text()
REGISTRY = load_topics(TEXT)
ALL = tuple(REGISTRY)
PUBLIC = [spec for spec in ALL if spec.name != "ai.dead-letter"]
HEADROOM = 48_000  # key, headers and the batch around a record
EMPTIEST_BASE64_RECORD = 4 / 3


def every(spec: TopicSpec) -> str:
    return spec.name


def test_a_checkout_finds_the_file_at_its_root() -> None:
    assert bundled_topics() == REGISTRY


def test_the_topics_are_those_of_the_code_in_its_order() -> None:
    assert tuple(spec.name for spec in REGISTRY) == TOPIC_NAMES
    assert len(REGISTRY) == len(TOPIC_NAMES)


@pytest.mark.parametrize("spec", ALL, ids=every)
def test_each_topic_carries_an_event_of_the_code_with_a_released_schema(spec: TopicSpec) -> None:
    (event,) = (event for event in event_specs() if event.ce_type == spec.ce_type)
    assert path_of(event).is_file()
    assert spec.name == event.topic or (event == REQUESTED_SPEC and spec.name.startswith(event.topic))


def test_each_event_has_its_topic() -> None:
    assert {event.topic for event in SPECS.values()} | {REQUESTED_SPEC.topic} <= set(TOPIC_NAMES)


@pytest.mark.parametrize("spec", ALL, ids=every)
def test_the_broker_takes_the_longest_value_that_the_codec_writes(spec: TopicSpec) -> None:
    assert VALUE_LIMITS[spec.name] + HEADROOM <= spec.max_message_bytes


def test_our_publisher_takes_what_the_largest_topic_takes() -> None:
    assert max(spec.max_message_bytes for spec in ALL) == MAX_EVENT_BYTES


@pytest.mark.parametrize("spec", PUBLIC, ids=every)
def test_a_dead_letter_holds_any_record_of_any_topic(spec: TopicSpec) -> None:
    assert spec.dead_letter == "ai.dead-letter"
    assert spec.max_message_bytes * EMPTIEST_BASE64_RECORD + HEADROOM < VALUE_LIMITS["ai.dead-letter"]


def test_an_ending_holds_its_requests_input_and_as_much_again() -> None:
    assert VALUE_LIMITS["ai.generation.completed"] >= 2 * VALUE_LIMITS["ai.generation.requested"]


@pytest.mark.parametrize("spec", ALL, ids=every)
def test_every_kafka_client_can_read_what_the_broker_stores(spec: TopicSpec) -> None:
    assert spec.compression in {"none", "gzip"}
    assert spec.config()["compression.type"] in {"uncompressed", "gzip"}


@pytest.mark.parametrize("spec", ALL, ids=every)
def test_one_broker_may_be_lost_without_losing_a_record_or_a_write(spec: TopicSpec) -> None:
    assert spec.replication - spec.min_in_sync == 1
    assert spec.min_in_sync >= 2


@pytest.mark.parametrize("spec", PUBLIC, ids=every)
def test_one_users_facts_stay_in_order(spec: TopicSpec) -> None:
    assert spec.key == ("subject" if spec.name.startswith("ai.usage.") else "userId")


def test_a_wish_to_cancel_is_kept_as_long_as_what_it_is_about() -> None:
    waiting = [spec.retention for spec in REGISTRY if spec.name.startswith("ai.generation.requested")]
    assert {*waiting, REGISTRY["ai.generation.cancel-requested"].retention} == {timedelta(days=7)}


@pytest.mark.parametrize("spec", ALL, ids=every)
def test_what_a_person_said_is_not_kept_for_ever(spec: TopicSpec) -> None:
    assert not spec.personal_data or (spec.retention is not None and spec.retention <= timedelta(days=30))


def test_configurations_are_spelled_as_kafka_does() -> None:
    assert REGISTRY["ai.generation.requested"].config() == {
        "cleanup.policy": "delete",
        "compression.type": "uncompressed",
        "max.message.bytes": "1048576",
        "min.insync.replicas": "2",
        "retention.ms": "604800000",
    }


def wrong(text: str) -> dict[str, str]:
    with pytest.raises(RegistryError) as refused:
        load_topics(text)
    assert isinstance(refused.value, ContractError)
    return {violation.field: violation.reason for violation in refused.value.violations}


def test_everything_wrong_is_told_at_once() -> None:
    file = yaml.safe_load(TEXT)
    topics = file["topics"]
    topics["ai.generation.requested"] |= {"partitions": 0, "retention": "a week", "compression": "lz4", "color": "red"}
    topics["ai.analytics.event"] |= {"personal_data": "yes", "dead_letter": "ai.nowhere", "produced_by": []}
    del topics["ai.dead-letter"]["owner"]
    topics["ai.poems"] = topics["ai.dead-letter"]
    found = wrong(yaml.safe_dump(file))
    assert found.keys() == {
        "topics.ai.generation.requested.partitions",
        "topics.ai.generation.requested.retention",
        "topics.ai.generation.requested.compression",
        "topics.ai.generation.requested.color",
        "topics.ai.analytics.event.personal_data",
        "topics.ai.analytics.event.dead_letter",
        "topics.ai.analytics.event.produced_by",
        "topics.ai.dead-letter.owner",
        "topics.ai.poems",
        "topics.ai.poems.owner",
    }
    assert found["topics.ai.generation.requested.color"] == "is no field of the contract"
    assert "7d" in found["topics.ai.generation.requested.retention"]


def test_what_contradicts_itself_is_told() -> None:
    file = yaml.safe_load(TEXT)
    file["topics"]["ai.analytics.event"]["min_in_sync"] = 4
    file["topics"]["ai.dead-letter"]["dead_letter"] = "ai.dead-letter"
    del file["topics"]["ai.preferences.updated"]
    assert wrong(yaml.safe_dump(file)) == {
        "topics.ai.preferences.updated": "is missing",
        "topics.ai.analytics.event.min_in_sync": "is 4, more than the 3 replicas: nothing could be written",
        "topics.ai.dead-letter.dead_letter": "is the topic itself",
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("topics: [", "is not YAML"),
        ("topics: {}\ntopics: {}", "is not YAML: 'topics' stands here twice"),
        ("{a: 1}: 2", "is not YAML"),
        ("? [a]\n: 1", "is not YAML"),
        ("!!python/object/apply:os.system [true]", "is not YAML"),
        ("a: \x00", "is not YAML"),
    ],
)
def test_a_text_that_is_no_registry_is_refused(text: str, reason: str) -> None:
    assert wrong(text)["topics.yaml"].startswith(reason)


@pytest.mark.parametrize("text", ["", "7", "[]", "topics: 7", "topics: [1]", "other: {}"])
def test_a_registry_of_another_shape_is_refused(text: str) -> None:
    assert wrong(text)


def test_a_topic_may_keep_its_records_for_ever() -> None:
    kept = load_topics(TEXT.replace("retention: 30d", "retention: forever"))["ai.dead-letter"]
    assert kept.retention is None
    assert kept.config()["retention.ms"] == "-1"
