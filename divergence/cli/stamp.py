"""Write how images are prepared into an ONNX file's metadata, where trace and check read it."""

from __future__ import annotations

import argparse

from divergence.cli.console import reader_may_leave


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("onnx", metavar="ONNX", help="the ONNX file")
    parser.add_argument(
        "--preprocess",
        metavar="SPEC",
        required=True,
        help="a YAML or JSON list of steps, or a file of them; a preprocessor_config.json; "
        "torchvision transforms as package.module:name or path/file.py:name",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="where it is written (ONNX itself)")


def run(arguments: argparse.Namespace) -> int:
    """Stamp the file and say where it stands."""
    from divergence.preparation.source import resolve_steps
    from divergence.preparation.stamp import stamp

    written = stamp(arguments.onnx, resolve_steps(arguments.preprocess), arguments.output)
    with reader_may_leave():
        print(f"{written} now says how its images are prepared.")
    return 0
