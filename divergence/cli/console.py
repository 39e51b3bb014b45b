"""The terminal: where results, progress and complaints go."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from divergence.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


def stdout() -> Console:
    """Return the console that results go to."""
    from rich.console import Console

    class Patient(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # for `reader_may_leave`; rich would exit with 1

    return Patient(highlight=False, markup=False, emoji=False)


def complain(sentence: str) -> None:
    """Say on stderr what is wrong."""
    from divergence.report.words import printable

    lines = (printable(line) for line in sentence.splitlines())
    with contextlib.suppress(OSError):  # nobody listens
        print("divergence: " + " ".join(lines), file=sys.stderr)


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """Go on quietly where the reader of a pipe has seen enough (`| head`).

    The exit code stays that of the verdict.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at its end; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """Give progress that draws on the terminal, or says nothing when piped or quiet."""
    if quiet or not (sys.stderr.isatty() and sys.stdout.isatty()):
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
    )
    # Transient: what stays on the screen is the report.
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Drawn(bars)


class _Drawn:
    """Progress as one line that changes."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def stage(self, name: str, total: int | None = None) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(name, total=total)

    def advance(self, count: int = 1) -> None:
        if self._task is not None:
            self._bars.advance(self._task, count)
