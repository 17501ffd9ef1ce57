"""The manifests in deploy/kubernetes run the processes that there are, ask them where they answer, and let them drain."""

import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import yaml
from tests.architecture.deployed import (
    GATEWAY_VARIABLES,
    HEALTH_PATHS,
    PROCESSES,
    ROOT,
    command_line,
    needs,
    refused,
    refused_by_gateway,
)

from fanzgpt_gateway.process import ANSWERING_SECONDS
from fanzgpt_gateway.settings import METRICS_PORT as GATEWAY_METRICS_PORT
from fanzgpt_gateway.settings import Settings as GatewaySettings
from fanzgpt_schemas.topics import load_topics
from fanzgpt_workers.engine.group import REBALANCE_MARGIN_SECONDS
from fanzgpt_workers.generation import TOPICS
from fanzgpt_workers.settings import METRICS_PORTS, Settings, variables

FOLDER = ROOT / "deploy/kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
SETTINGS = dict(line.split("=", 1) for line in (FOLDER / "settings.env").read_text().splitlines())
SECRETS = {
    "fanzgpt-database": {"DATABASE_URL": "postgresql://fanz:hidden@db:5432/fanz"},
    "fanzgpt-providers": {"OPENAI_API_KEY": "sk-example"},
    "fanzgpt-gateway": {
        "FANZ_GPT_API_KEY": "a-key-of-decent-length",
        "JWT_SECRET": "a-secret-that-has-over-32-bytes-in-it",
    },
    "fanzgpt-media": {"OBJECT_STORE_URL": "s3://fanz-media/gpt", "AWS_ACCESS_KEY_ID": "a-key", "AWS_REGION": "eu-1"},
}
RESOURCES = [
    resource for name in KUSTOMIZATION["resources"] for resource in yaml.safe_load_all((FOLDER / name).read_text())
]
WORKLOADS = {one["metadata"]["name"]: one for one in RESOURCES if one["kind"] in {"Deployment", "StatefulSet", "Job"}}
SCALED = next(one["spec"] for one in RESOURCES if one["kind"] == "ScaledObject")


def pod(workload: str) -> dict[str, Any]:
    return dict(WORKLOADS[workload]["spec"]["template"]["spec"])


def process(name: str) -> dict[str, Any]:
    """The container that runs the process."""
    (container,) = pod(name)["containers"]
    return dict(container)


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in WORKLOADS:
        for container in (*pod(name).get("initContainers", ()), *pod(name)["containers"]):
            yield f"{name}/{container['name']}", container


CONTAINERS = dict(containers())


def environment(container: dict[str, Any]) -> dict[str, str]:
    """What the container is told; a pod is called `generation-0`."""
    told: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            assert source == {"configMapRef": {"name": "fanzgpt-settings"}}
            told |= SETTINGS
        else:
            told |= SECRETS[source["secretRef"]["name"]]
    for entry in container.get("env", ()):
        told[entry["name"]] = entry.get("value", "generation-0")
    return told


def test_every_file_of_the_folder_is_part_of_what_is_applied() -> None:
    files = {path.name for path in FOLDER.iterdir()}
    assert files == {"kustomization.yaml", "settings.env", *KUSTOMIZATION["resources"]}
    assert KUSTOMIZATION["configMapGenerator"] == [{"name": "fanzgpt-settings", "envs": ["settings.env"]}]


def test_there_is_a_workload_for_every_process_and_one_that_prepares() -> None:
    assert set(WORKLOADS) == {*PROCESSES, "gateway", "prepare"}
    for name in PROCESSES:
        assert process(name)["args"] == ["worker", name]


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_command_is_one_that_the_command_line_takes(name: str) -> None:
    assert "command" not in CONTAINERS[name]
    command_line(CONTAINERS[name]["args"])


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_variable_is_a_setting(name: str) -> None:
    known = variables().keys() | (GATEWAY_VARIABLES if name == "gateway/gateway" else set())
    of_buckets = {each for each in environment(CONTAINERS[name]) if each.startswith("AWS_")}
    assert environment(CONTAINERS[name]).keys() - of_buckets <= known


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_accepts_its_environment(name: str) -> None:
    assert refused(name, environment(process(name))) == []


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_told_of_no_key_that_it_does_not_use(name: str) -> None:
    assert ("OPENAI_API_KEY" in environment(process(name))) == ("provider" in needs(name))


def test_those_who_make_media_and_those_who_hand_them_out_know_the_same_store_if_there_is_one() -> None:
    told = {name for name, container in CONTAINERS.items() if "OBJECT_STORE_URL" in environment(container)}
    assert told == {"generation/generation", "gateway/gateway"}
    for name in told:
        assert {"secretRef": {"name": "fanzgpt-media", "optional": True}} in CONTAINERS[name]["envFrom"]


def test_no_secret_stands_in_the_settings_or_the_manifests() -> None:
    secret = {name for told in SECRETS.values() for name in told} | {"ANTHROPIC_API_KEY"}
    assert not secret & SETTINGS.keys()
    named = {entry["name"] for container in CONTAINERS.values() for entry in container.get("env", ())}
    assert named <= {"METRICS_PORT", "KAFKA_GROUP_INSTANCE_ID", "GATEWAY_HOST", "TRUSTED_PROXIES"}
    assert "Secret" not in {resource["kind"] for resource in RESOURCES}


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_is_asked_for_its_health_on_its_own_port(name: str) -> None:
    container = process(name)
    port = METRICS_PORTS[name]  # type: ignore[index]  # PROCESSES holds such names only
    assert environment(container)["METRICS_PORT"] == str(port)
    assert container["ports"] == [{"name": "metrics", "containerPort": port}]
    asked = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/health/live", "port": "metrics"},
        "liveness": {"path": "/health/live", "port": "metrics"},
        "readiness": {"path": "/health/ready", "port": "metrics"},
    }
    assert {get["path"] for get in asked.values()} <= HEALTH_PATHS


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_restarted_only_after_more_than_one_missed_answer(name: str) -> None:
    probe = process(name)["livenessProbe"]
    assert probe["timeoutSeconds"] > 2  # how long a check of the process itself may take
    assert probe["failureThreshold"] >= 3


@pytest.mark.parametrize("name", PROCESSES)
def test_each_process_has_time_to_drain(name: str) -> None:
    bound = {"generation": Settings().generation.drain_seconds, "monitor": 0.0}.get(
        name, Settings().sinks.drain_seconds
    )
    assert pod(name)["terminationGracePeriodSeconds"] >= bound + REBALANCE_MARGIN_SECONDS
    assert not {"GENERATION_DRAIN_SECONDS", "SINK_DRAIN_SECONDS"} & environment(process(name)).keys()


# The usage streams know no database.
@pytest.mark.parametrize("name", [name for name in PROCESSES if name != "streams"])
def test_no_process_starts_before_the_schema_is_there(name: str) -> None:
    (waiting,) = pod(name)["initContainers"]
    assert command_line(waiting["args"])["check"] is True


def test_the_generation_worker_is_a_static_member_under_its_pods_name() -> None:
    assert WORKLOADS["generation"]["kind"] == "StatefulSet"
    told = {entry["name"]: entry for entry in process("generation")["env"]}
    assert told["KAFKA_GROUP_INSTANCE_ID"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    others = [name for name in PROCESSES if name != "generation"]
    assert {WORKLOADS[name]["kind"] for name in others} == {"Deployment"}
    assert not any("KAFKA_GROUP_INSTANCE_ID" in environment(process(name)) for name in others)


def test_the_generation_worker_has_the_resources_of_the_contract() -> None:
    assert process("generation")["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "2Gi"},
    }


def test_scaling_follows_the_lag_of_every_topic_that_the_worker_reads() -> None:
    assert SCALED["scaleTargetRef"] == {"kind": WORKLOADS["generation"]["kind"], "name": "generation"}
    assert "replicas" not in WORKLOADS["generation"]["spec"]
    followed = {trigger["metadata"]["topic"]: trigger["metadata"] for trigger in SCALED["triggers"]}
    assert followed.keys() == set(TOPICS)
    for trigger in followed.values():
        assert trigger["consumerGroup"] == Settings().kafka.group("generation")
        assert trigger["offsetResetPolicy"] == "earliest"
        assert trigger["bootstrapServersFromEnv"] in environment(process("generation"))


def test_a_pod_is_added_for_each_fill_of_a_worker_up_to_one_a_partition() -> None:
    fill = Settings().generation.max_in_flight
    thresholds = {
        trigger["metadata"]["topic"]: int(trigger["metadata"]["lagThreshold"]) for trigger in SCALED["triggers"]
    }
    assert thresholds.pop("ai.generation.requested.batch") == 4 * fill
    assert set(thresholds.values()) == {fill}
    registry = load_topics((ROOT / "topics.yaml").read_text())
    assert SCALED["minReplicaCount"] == 3
    assert SCALED["maxReplicaCount"] == min(registry[topic].partitions for topic in TOPICS)


def test_the_database_has_room_for_the_most_pods_there_can_be() -> None:
    sinks = sum(WORKLOADS[name]["spec"].get("replicas", 0) for name in PROCESSES if name != "streams")
    (allowed,) = re.findall(r"PostgreSQL must allow (\d+)", (FOLDER / "scaling.yaml").read_text())
    assert (SCALED["maxReplicaCount"] + sinks) * Settings().database.pool_size <= int(allowed)


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_container_can_do_more_than_its_work(name: str) -> None:
    told = CONTAINERS[name]["securityContext"]
    assert told == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} == CONTAINERS[name]["resources"].keys()


@pytest.mark.parametrize("name", [*PROCESSES, "gateway", "prepare"])
def test_no_pod_is_root_or_holds_a_token_of_the_cluster(name: str) -> None:
    context = pod(name)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in (ROOT / "deploy/Dockerfile").read_text()
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(name)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", WORKLOADS)
def test_selectors_find_their_pods_and_nobody_elses(name: str) -> None:
    spec = WORKLOADS[name]["spec"]
    labels = {"app.kubernetes.io/name": name}
    assert spec["template"]["metadata"]["labels"] == labels
    assert spec.get("selector", {"matchLabels": labels}) == {"matchLabels": labels}


@pytest.mark.parametrize("name", ["generation", "gateway"])
def test_what_stands_beside_a_workload_selects_it(name: str) -> None:
    beside = [one for one in RESOURCES if one["metadata"]["name"] == name]
    (service,) = (one for one in beside if one["kind"] == "Service")
    (budget,) = (one for one in beside if one["kind"] == "PodDisruptionBudget")
    labels = {"app.kubernetes.io/name": name}
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels


def test_the_generation_workers_service_is_the_one_that_it_names() -> None:
    services = {one["metadata"]["name"] for one in RESOURCES if one["kind"] == "Service"}
    assert WORKLOADS["generation"]["spec"]["serviceName"] in services


def test_the_gateway_starts_answers_on_its_ports_and_has_time_to_drain() -> None:
    container = process("gateway")
    told = environment(container)
    assert refused_by_gateway(told) == ()
    fields = GatewaySettings.model_fields
    assert container["ports"] == [
        {"name": "http", "containerPort": fields["port"].default},
        {"name": "metrics", "containerPort": int(told["METRICS_PORT"])},
    ]
    assert int(told["METRICS_PORT"]) == GATEWAY_METRICS_PORT
    asked = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert asked == {"/health/live", "/health/ready"}
    assert pod("gateway")["terminationGracePeriodSeconds"] > fields["drain_seconds"].default + ANSWERING_SECONDS
    assert WORKLOADS["gateway"]["spec"]["replicas"] == 3


def test_every_container_runs_this_release() -> None:
    assert {container["image"] for container in CONTAINERS.values()} == {"fanzgpt"}
    assert KUSTOMIZATION["images"] == [{"name": "fanzgpt", "newTag": version("fanzgpt-workers")}]
