"""Progress on the screen: a bar on a terminal, a line per step elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Steps:
    """Progress of work of `total` units in several steps."""

    def __init__(self, console: Console, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._console = console
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, description: str) -> None:
        """Show what is being done now."""
        self._bar.update(self._task, description=description)
        if not self._console.is_terminal:
            self._console.print(description, highlight=False, soft_wrap=True)

    def advance(self, units: int = 1) -> None:
        """Count units that are done."""
        self._bar.advance(self._task, units)
