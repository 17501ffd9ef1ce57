"""Alerts and dashboard stand on metrics, labels and values that the code has, and on numbers that its settings have."""

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, Final, get_args

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from tests.architecture.deployed import PROCESSES, ROOT, command_line

import fanzgpt_workers
from fanzgpt_gateway.metrics import Metrics as GatewayMetrics
from fanzgpt_gateway.settings import METRICS_PORT as GATEWAY_METRICS_PORT
from fanzgpt_workers.core.attempts import Outcome
from fanzgpt_workers.core.endings import EndState
from fanzgpt_workers.observability.metrics import GENERATION_BUCKETS, LagStatus, Metrics, RowFate
from fanzgpt_workers.settings import METRICS_PORTS, Settings

RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())
SCRAPES = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
DASHBOARD = json.loads((ROOT / "deploy/grafana/fanzgpt.json").read_text())
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
PANELS: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}

TARGETS: Final = frozenset({"job", "instance"})
"""Labels that Prometheus adds to every series of a target."""

FUNCTIONS: Final = frozenset(
    {
        *("sum", "max", "min", "rate", "increase", "histogram_quantile", "absent"),
        *("by", "without", "and", "or", "unless"),
    }
)
GATEWAY_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    collector._name: tuple(collector._labelnames)
    for collector in vars(GatewayMetrics()).values()
    if isinstance(collector, MetricWrapperBase)
}
VALUES: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("fanzgpt_generations_total", "status"): frozenset(get_args(EndState)),
    ("fanzgpt_provider_call_seconds", "outcome"): frozenset(get_args(Outcome)),
    ("fanzgpt_sink_rows_total", "fate"): frozenset(get_args(RowFate)),
}
_NAME: Final = re.compile(r"[a-zA-Z_:][\w:]*")
_SELECTOR: Final = re.compile(r"([a-zA-Z_:][\w:]*)?\{([^}]*)\}")
_MATCHER: Final = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING: Final = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


def families() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Every name that can be asked for, with its family and its labels."""
    for family, kind, labels, _ in Metrics().catalogue():
        own = frozenset(labels) | TARGETS
        yield from ((f"{family}_{part}", family, own) for part in ("count", "sum") if kind == "histogram")
        yield (f"{family}_bucket", family, own | {"le"}) if kind == "histogram" else (family, family, own)
    for collected in Metrics().registry.collect():
        if collected.name.startswith("process_"):
            name = f"{collected.name}_total" if collected.type == "counter" else collected.name
            yield name, name, TARGETS
    yield "up", "up", TARGETS
    for collected in GatewayMetrics().registry.collect():
        own = frozenset(GATEWAY_LABELS.get(collected.name, ())) | TARGETS
        name = f"{collected.name}_total" if collected.type == "counter" else collected.name
        if collected.type == "histogram":
            yield f"{name}_bucket", name, own | {"le"}
        else:
            yield name, name, own


FAMILIES = {name: (family, labels) for name, family, labels in families()}


def metrics_of(expression: str) -> set[str]:
    """Every name in an expression that is neither a function, a label nor a duration."""
    bare = re.sub(r"\[[^\]]*\]", "", _GROUPING.sub("", _SELECTOR.sub(r"\1", expression)))
    return {name for name in _NAME.findall(re.sub(r"\b\d[\w.]*", "", bare)) if name not in FUNCTIONS}


def problems(expression: str) -> list[str]:
    """What an expression asks for that there is not."""
    found = [f"no metric {name}" for name in sorted(metrics_of(expression)) if name not in FAMILIES]
    if found:
        return found
    labels = frozenset.intersection(*(FAMILIES[name][1] for name in metrics_of(expression)))
    for grouping in _GROUPING.findall(expression):
        found += [f"no label {label}" for label in re.findall(r"\w+", grouping) if label not in labels]
    for name, matchers in _SELECTOR.findall(expression):
        family, own = FAMILIES[name]
        for label, value in _MATCHER.findall(matchers):
            if label not in own:
                found.append(f"no label {label} of {name}")
            elif value not in VALUES.get((family, label), {value}):
                found.append(f'never {label}="{value}"')
    return found


def kept_labels(expression: str) -> set[str]:
    """The labels that are left in the result."""
    groupings = _GROUPING.findall(expression)
    if groupings:
        return set(re.findall(r"\w+", groupings[0])) - {"le"}
    aggregated = re.match(r"(sum|max|min|absent)\b", expression)
    return set() if aggregated else set.union(*(set(FAMILIES[name][1]) for name in metrics_of(expression)))


def queries() -> Iterator[tuple[str, str, str]]:
    for title, panel in PANELS.items():
        for target in panel["targets"]:
            yield f"{title} ({target['refId']})", target["expr"], target["legendFormat"]


QUERIES = {name: (expression, legend) for name, expression, legend in queries()}


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("max by (group) (fanzgpt_lag_seconds) > 60", ["no metric fanzgpt_lag_seconds"]),
        ("fanzgpt_generation_duration_seconds > 1", ["no metric fanzgpt_generation_duration_seconds"]),
        ("sum by (user_id) (rate(fanzgpt_generations_total[5m]))", ["no label user_id"]),
        ('rate(fanzgpt_generations_total{state="failed"}[5m]) > 0', ["no label state of fanzgpt_generations_total"]),
        ('rate(fanzgpt_sink_rows_total{fate="lost"}[5m]) > 1.6e9', ['never fate="lost"']),
        ('rate(fanzgpt_sink_rows_total{fate="refused", job=~"a.*"}[$__rate_interval]) * 3600', []),
    ],
)
def test_what_there_is_not_would_be_seen(expression: str, told: list[str]) -> None:
    assert problems(expression) == told


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_stands_on_what_the_code_records(alert: str) -> None:
    assert problems(ALERTS[alert]["expr"]) == []


@pytest.mark.parametrize("query", QUERIES)
def test_every_panel_stands_on_what_the_code_records(query: str) -> None:
    assert problems(QUERIES[query][0]) == []


@pytest.mark.parametrize("query", QUERIES)
def test_every_legend_names_labels_that_are_left(query: str) -> None:
    expression, legend = QUERIES[query]
    assert legend
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept_labels(expression)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_says_what_it_is_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]
    assert alert.startswith("Fanzgpt")
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert len(rule["annotations"]["description"]) > 40
    told = " ".join(rule["annotations"].values())
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= kept_labels(rule["expr"])


@pytest.mark.parametrize("alert", ALERTS)
def test_every_command_that_an_alert_advises_can_be_given(alert: str) -> None:
    for advised in re.findall(r"`fanzgpt ([^`]+)`", ALERTS[alert]["annotations"]["description"]):
        command_line(advised.split())


def test_alerts_have_names_of_their_own() -> None:
    assert len(ALERTS) == sum(len(group["rules"]) for group in RULES["groups"])


def bound(alert: str) -> float:
    """The number that the alert compares with."""
    return float(re.split(r"==|>", ALERTS[alert]["expr"])[-1])


def test_statuses_are_numbered_as_the_code_does() -> None:
    statuses = get_args(LagStatus)
    assert statuses[int(bound("FanzgptStopped"))] == "STOPPED"
    assert statuses[int(bound("FanzgptStalled"))] == "STALLED"
    mapped = PANELS["Worst status"]["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert [mapped[str(number)]["text"] for number in range(len(statuses))] == list(statuses)


def test_bounds_follow_the_settings() -> None:
    settings = Settings()
    assert bound("FanzgptLate") == settings.monitor.late_seconds
    assert bound("FanzgptRequestDoesNotEnd") == settings.providers.total_timeout_seconds
    assert bound("FanzgptCommitGap") == settings.generation.uncommitted_records / 2
    assert bound("FanzgptGenerationsSlow") < max(GENERATION_BUCKETS)
    assert bound("FanzgptMemory") < 2 * 2**30


def test_thresholds_that_are_drawn_are_those_that_are_alerted_on() -> None:
    drawn = {
        title: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
        for title, panel in PANELS.items()
        if "thresholdsStyle" in panel["fieldConfig"]["defaults"].get("custom", {})
    }
    assert drawn == {
        "Oldest record not done": bound("FanzgptLate"),
        "Records done above the committed offset": bound("FanzgptCommitGap"),
        "Failed": bound("FanzgptGenerationsFail"),
        "Oldest under way": bound("FanzgptRequestDoesNotEnd"),
    }


def recorded() -> set[str]:
    """The families that some process records: those that a method sets which is called outside the metrics' own module."""
    tree = ast.parse(dedent(inspect.getsource(Metrics)))
    named: dict[str, str] = {}
    setters: dict[str, set[str]] = {}
    for method in ast.walk(tree):
        if not isinstance(method, ast.FunctionDef):
            continue
        for node in ast.walk(method):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
                literals = (one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant))
                named[node.targets[0].attr] = str(next(literals, ""))
            if isinstance(node, ast.Attribute) and not method.name.startswith("__"):
                setters.setdefault(method.name, set()).add(node.attr)
    package = Path(fanzgpt_workers.__file__).parent
    sources = [path.read_text() for path in package.rglob("*.py") if path.name not in {"metrics.py", "families.py"}]
    called = {name for name in setters if any(re.search(rf"metrics\.{name}\(", source) for source in sources)}
    return {named[attribute] for name in called for attribute in setters[name] if attribute in named}


def test_every_alert_can_fire() -> None:
    found = recorded()
    assert {"fanzgpt_consumer_lag_seconds", "fanzgpt_dead_letters_total"} <= found
    needed = {FAMILIES[name][0] for rule in ALERTS.values() for name in metrics_of(rule["expr"])}
    found |= {f"{name}_total" for name in GATEWAY_LABELS} | GATEWAY_LABELS.keys()
    assert not {name for name in needed - found if name.startswith("fanzgpt_")}


def test_every_metric_of_the_code_that_a_person_would_look_for_is_on_the_dashboard() -> None:
    shown = {FAMILIES[name][0] for expression, _ in QUERIES.values() for name in metrics_of(expression)}
    inner = {
        "fanzgpt_buffered_records",
        "fanzgpt_ledger_flush_rows",
        "fanzgpt_publish_seconds",
        "fanzgpt_sink_batch_rows",
    }
    assert {name for name, *_ in Metrics().catalogue()} - shown == inner


def test_panels_are_told_apart_lie_side_by_side_and_say_what_they_show() -> None:
    everything = DASHBOARD["panels"]
    assert (
        len({panel["id"] for panel in everything}) == len({panel["title"] for panel in everything}) == len(everything)
    )
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
    for panel in PANELS.values():
        assert panel["description"].endswith(".")
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_every_process_is_scraped_on_its_own_port() -> None:
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in SCRAPES["scrape_configs"]}
    assert jobs.keys() == {f"fanzgpt-{name}" for name in (*PROCESSES, "gateway")}
    gateways = jobs["fanzgpt-gateway"]
    assert (gateways["names"], gateways["port"]) == ([f"gateway-{n}" for n in (1, 2, 3)], GATEWAY_METRICS_PORT)
    for name in PROCESSES:
        found = jobs[f"fanzgpt-{name}"]
        assert (found["names"], found["port"]) == ([name], METRICS_PORTS[name])
    assert SCRAPES["rule_files"] == ["rules.yml"]


def test_the_dashboard_is_provisioned_from_where_compose_puts_it() -> None:
    provisioning = ROOT / "deploy/grafana/provisioning"
    source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())["datasources"][0]
    provider = yaml.safe_load((provisioning / "dashboards/fanzgpt.yml").read_text())["providers"][0]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert (
        f"./deploy/grafana/fanzgpt.json:{provider['options']['path']}/fanzgpt.json:ro" in compose["grafana"]["volumes"]
    )
    assert source["url"] == f"http://prometheus:{compose['prometheus']['ports'][0].split(':')[-1]}"
    assert source["jsonData"]["timeInterval"] == SCRAPES["global"]["scrape_interval"]
