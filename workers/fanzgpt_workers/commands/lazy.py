"""Commands that are imported when they are called, so that help is quick however much stands behind it."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

_COMPLETION: Final = ("install_completion", "show_completion")


class LazyCommand(TyperCommand):
    """Stands for a command in its group's help; becomes it when it is called."""

    def __init__(self, *, name: str, summary: str, load: Callable[[], Typer]) -> None:
        """`load` imports the command."""
        super().__init__(name=name, help=summary, short_help=summary, add_help_option=False)
        self._load = load

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command that this one stands for."""
        command = get_command(self._load())
        command.name = self.name
        # A command that could also stand alone offers to complete itself; here it is a part.
        command.params = [param for param in command.params if param.name not in _COMPLETION]
        return command.make_context(info_name, args, parent=parent, **extra)


class LazyGroup(TyperGroup):
    """A group whose commands are known by name and summary only."""

    def __init__(self, *, commands: Mapping[str, LazyCommand], **attributes: Any) -> None:
        """`commands` in the order in which help lists them."""
        super().__init__(commands=dict(commands), **attributes)
