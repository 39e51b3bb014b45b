"""Build a small sample pair with a planted fault and trace it: no downloads."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from divergence.cli import tracing
from divergence.cli.codes import INTERRUPTED, code_of
from divergence.cli.show import write_and_show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="where the run is written (divergence-report)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def run(arguments: argparse.Namespace) -> int:
    """Build, trace and show the sample pair; return the exit code of its verdict (divergent)."""
    from divergence.demo import build_demo
    from divergence.report.store import check_writable

    output = tracing.output_of(arguments)
    check_writable(output)
    with tempfile.TemporaryDirectory(prefix="divergence-demo-") as folder:
        demo = build_demo(Path(folder))
        asked = argparse.Namespace(
            model=demo.factory,
            weights=demo.weights,
            onnx=str(demo.onnx),
            inputs=[str(demo.input)],
            quiet=arguments.quiet,
            output=str(output),
        )
        report, interrupted = tracing.run(asked)
    write_and_show(report, output, html=True, quiet=arguments.quiet)
    return INTERRUPTED if interrupted else code_of(report)
