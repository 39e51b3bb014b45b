"""A report written to its folder and shown in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from divergence.cli.console import reader_may_leave, stdout

if TYPE_CHECKING:
    from divergence.report import Report


def write_and_show(report: Report, output: Path | None, *, html: bool, quiet: bool) -> None:
    """Save the report where `output` is given, and print it unless `quiet`.

    Raises:
        OutputError: the folder cannot be written.
    """
    from divergence.report import document, terminal

    if output is not None:
        report.save(output, html=html)
    if quiet:
        return
    where = None if output is None else str(output / ("report.html" if html else "report.json"))
    with reader_may_leave():
        terminal.show(document.build(report), stdout(), where)
