"""What is written is true as far as a machine can tell: links lead somewhere, and every name is one of the code's."""

import ast
import json
import re
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest
from tests.architecture.command_tree import commands, groups
from tests.architecture.deployed import PROCESSES, command_line
from tests.architecture.documents import ROOT, Page, pages
from tests.architecture.reference import FOLDER, NOT_USED_YET, PAGES, gateway_metrics, page

from fanzgpt_gateway.settings import Settings as GatewaySettings
from fanzgpt_schemas.events import TOPIC_NAMES
from fanzgpt_workers.observability.metrics import Metrics
from fanzgpt_workers.settings import variables

every_page = pytest.mark.parametrize("written", pages(), ids=str)

BESIDE_SETTINGS: Final = frozenset({"FANZGPT_HOME", "FANZGPT_CACHE", "FANZGPT_TEST_HOME"})
OF_OTHERS: Final = frozenset({"FANZ_GPT_URL", "FANZ_GPT_TIMEOUT", "FANZ_GPT_RETRIES"})
"""What services that call the gateway are told, by the ecosystem's names."""

_VARIABLE: Final = re.compile(
    r"\b(?:KAFKA|DB|DATABASE|REDIS|AI|OPENAI|ANTHROPIC|PROVIDER|GENERATION|SINK|UNKNOWN|FEATURE|BLOCKED|METRICS|LOG"
    r"|READY|MONITOR|FANZGPT|FANZ_GPT|GATEWAY|JWT|RATE_LIMIT)_[A-Z_]+\b"
)
_METRIC: Final = re.compile(r"\bfanzgpt_[a-z_]+_(?:total|seconds|records|requests|bytes|rows|status|members)\b")
_TOPIC: Final = re.compile(r"\bai\.[a-z]+[a-z.-]*[a-z]\b")
_PLACE: Final = re.compile(
    r"^(?:schemas|producers|workers|gateway|stack|tests|docs|deploy|benchmarks|examples|requirements)/[\w./-]+(?:::\w+)?$"
)
_MAKE_TARGET: Final = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
_WORD: Final = re.compile(r"[a-z][a-z-]*")


def make_targets() -> frozenset[str]:
    return frozenset(_MAKE_TARGET.findall((ROOT / "Makefile").read_text()))


def misnamed(line: str) -> str | None:
    """What is wrong with a command named in a line of text, such as `fanzgpt topics apply`; None if nothing is."""
    words = line.split()[1:]
    known = {command.path: command for command in commands()}
    path = words[0] if words else ""
    if path in groups() and len(words) > 1 and _WORD.fullmatch(words[1]):
        path = f"{path} {words[1]}"
    if path and _WORD.fullmatch(path.split()[0]) and path not in known and path not in groups():
        return f"there is no `fanzgpt {path}`"
    if path in known:
        options = " ".join(names for names, _ in known[path].parameters)
        unknown = [word for word in words if word.startswith("--") and word not in options.replace(",", " ").split()]
        if unknown:
            return f"`fanzgpt {path}` has no {unknown[0]}"
    return None


@every_page
def test_every_link_leads_somewhere(written: Page) -> None:
    lost = []
    for target in written.links():
        place, _, part = target.partition("#")
        path = (written.path.parent / place).resolve() if place else written.path
        if not path.exists() or (part and part not in Page(path).anchors()):
            lost.append(target)
    assert lost == []


@every_page
def test_every_block_of_python_compiles_and_imports_what_there_is(written: Page) -> None:
    for code in written.blocks("python"):
        tree = compile(code, str(written), "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fanzgpt_"):
                module = import_module(node.module)
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []


@every_page
def test_every_block_of_json_is_json(written: Page) -> None:
    for code in written.blocks("json"):
        json.loads(code)


@every_page
def test_every_command_in_a_block_can_be_given(written: Page) -> None:
    for words in written.shell_commands():
        if words[0] == "fanzgpt":
            arguments = words[1:]
            if arguments and arguments[-1] != "--help":
                command_line(arguments)
        elif words[0] == "make":
            assert set(words[1:]) <= make_targets(), words


@every_page
def test_every_command_in_a_line_is_one_that_there_is(written: Page) -> None:
    wrong = [problem for span in written.spans() if span.startswith("fanzgpt ") if (problem := misnamed(span))]
    assert wrong == []
    named = {span.split()[1] for span in written.spans() if span.startswith("make ")}
    assert named <= make_targets()


@pytest.mark.parametrize("line", ["fanzgpt dlk ls", "fanzgpt topics destroy", "fanzgpt trace REQUEST_ID --minutes 3"])
def test_a_command_that_there_is_not_would_be_seen(line: str) -> None:
    assert misnamed(line) is not None


@pytest.mark.parametrize("line", ["fanzgpt", "fanzgpt --help", "fanzgpt stack env", "fanzgpt request … --wait"])
def test_a_command_that_there_is_is_none_to_complain_of(line: str) -> None:
    assert misnamed(line) is None


@pytest.mark.parametrize("name", ["README.md", "docs/howto/run-the-workers.md"])
@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_is_named_where_a_newcomer_looks(name: str, process: str) -> None:
    assert f"fanzgpt worker {process}" in (ROOT / name).read_text()


@every_page
def test_every_variable_is_one_that_is_read(written: Page) -> None:
    read = variables().keys() | {field.alias for field in GatewaySettings.model_fields.values()}
    assert set(_VARIABLE.findall(written.text)) - read - BESIDE_SETTINGS - OF_OTHERS == set()


@every_page
def test_every_metric_is_one_that_is_served(written: Page) -> None:
    served = {name for name, *_ in (*Metrics().catalogue(), *gateway_metrics())}
    assert {name for span in written.spans() for name in _METRIC.findall(span)} - served == set()


@every_page
def test_every_topic_is_one_of_the_registry(written: Page) -> None:
    if "released" in written.path.parts:
        return  # it speaks of events, which are called after their topics
    named = {topic for span in written.spans() for topic in _TOPIC.findall(span)}
    events = {f"{name}.v1" for name in TOPIC_NAMES}
    assert {name for name in named if not name.startswith("ai.generation.requested.v")} <= {*TOPIC_NAMES, *events}


@every_page
def test_every_place_in_the_project_is_there(written: Page) -> None:
    missing = []
    for span in written.spans():
        if _PLACE.match(span):
            place, _, test = span.partition("::")
            path = ROOT / place
            if not path.exists() or (
                test and not re.search(rf"^\s*(async )?def {test}\(", path.read_text(), re.MULTILINE)
            ):
                missing.append(span)
    assert missing == []


@every_page
def test_every_name_of_the_code_can_be_imported(written: Page) -> None:
    names = [span for span in written.spans() if re.fullmatch(r"fanzgpt_\w+(\.\w+)+", span)]
    assert [name for name in names if not _importable(name)] == []


@every_page
def test_no_page_holds_a_path_of_one_machine(written: Page) -> None:
    assert not re.search(r"(?<![\w.])/(?:home|root|tmp|work|Users)/", written.text)


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_would_write(name: str) -> None:
    assert (FOLDER / name).read_text() == page(name), "`make reference` writes it anew"


def test_the_reference_has_a_page_for_each_subject_and_no_other() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == set(PAGES)


@pytest.mark.parametrize("name", ["settings.md", "metrics.md"])
def test_nothing_in_the_reference_is_left_unexplained(name: str) -> None:
    assert [line for line in page(name).splitlines() if line.endswith("|  |")] == []


def test_what_is_said_to_be_without_effect_has_none() -> None:
    source = "\n".join(
        path.read_text()
        for path in (ROOT / "workers" / "fanzgpt_workers").rglob("*.py")
        if "settings" not in path.relative_to(ROOT).parts
    )
    obeyed = [name for name in NOT_USED_YET if re.search(rf"\.{variables()[name][1]}\b", source)]
    assert obeyed == [], "they have an effect now: take them off the list, and say so in README.md"


def _importable(name: str) -> bool:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def test_there_are_pages_to_look_at() -> None:
    assert {Path("README.md"), Path("CONTRIBUTING.md")} <= {each.path.relative_to(ROOT) for each in pages()}
