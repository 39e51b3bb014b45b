"""The same as trace, terse, for CI: a verdict line and the exit code.

The run is written only where --output is given.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from divergence.cli import tracing
from divergence.cli.codes import INTERRUPTED, code_of
from divergence.cli.console import reader_may_leave


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    tracing.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Trace, print one line, and return the exit code of the verdict."""
    from divergence.report import document, terminal
    from divergence.report.store import check_writable

    output = Path(arguments.output) if arguments.output else None
    if output is not None:
        check_writable(output)
    report, interrupted = tracing.run(arguments)
    if output is not None:
        report.save(output, html=arguments.html is not False)
    if not arguments.quiet:
        with reader_may_leave():
            print(terminal.verdict_line(document.build(report)))
    return INTERRUPTED if interrupted else code_of(report)
