"""Where an installed wheel keeps its files, found without importing it or what it depends on."""

from importlib.util import find_spec
from pathlib import Path

from fanzgpt_stack.errors import MissingPart


def folder_of(package: str) -> Path:
    """The folder of an installed package. Raises MissingPart if it is not installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPart(f"the package {package.replace('_', '-')} is not installed: run `make install`")
    return Path(spec.submodule_search_locations[0])
