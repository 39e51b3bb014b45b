"""Trace a model against its ONNX file: value by value, stage by stage, with the cause."""

from __future__ import annotations

import argparse

from divergence.cli import tracing
from divergence.cli.codes import INTERRUPTED, code_of
from divergence.cli.show import write_and_show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    tracing.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Trace, write the run, show it, and return the exit code of its verdict."""
    from divergence.report.store import check_writable

    output = tracing.output_of(arguments)
    check_writable(output)
    report, interrupted = tracing.run(arguments)
    write_and_show(report, output, html=arguments.html is not False, quiet=bool(arguments.quiet))
    return INTERRUPTED if interrupted else code_of(report)
