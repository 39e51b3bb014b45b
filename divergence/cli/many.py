"""Many inputs on the command line: which they are, and running them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.cli.console import shown_progress
from divergence.errors import OptionError

if TYPE_CHECKING:
    from divergence.report import Report

_ONLY_HERE = ("labels", "executor", "jobs")


def are_many(arguments: argparse.Namespace) -> bool:
    """Whether the inputs are a set, and not those of one call.

    Raises:
        InputError: the inputs are wrong.
        LoadError: several inputs have no name, and the ONNX file cannot be read.
        OptionError: an option for many inputs is given with one.
    """
    from divergence.batch.items import items_of, may_be_many

    takes = None
    if may_be_many(arguments.inputs):
        from divergence.load.onnx_model import load_onnx

        takes = len(load_onnx(arguments.onnx).inputs)
    if items_of(arguments.inputs, takes) is not None:
        return True
    asked = [name for name in _ONLY_HERE if getattr(arguments, name, None) is not None]
    if asked:
        raise OptionError(
            f"--{asked[0]} is for many inputs, and {arguments.inputs[0]!r} is one; give a folder, "
            "a glob, @LIST or several files."
        )
    return False


def run(arguments: argparse.Namespace, options: Mapping[str, Any]) -> Report:
    """Compare all inputs and write their tables; return the worst one's report.

    Raises:
        DivergenceError: a model, an option or all inputs are wrong.
        SetInterrupted: Ctrl-C; the message says what is kept.
    """
    from divergence.batch.many import trace_many
    from divergence.batch.tables import write_tables

    folder = _folder(arguments)
    with shown_progress(quiet=bool(arguments.quiet)) as progress:
        found = trace_many(
            arguments.model,
            arguments.onnx,
            arguments.inputs,
            labels=arguments.labels,
            executor=arguments.executor or "processes",
            jobs=1 if arguments.jobs is None else arguments.jobs,
            keep=folder,
            progress=progress,
            **options,
        )
    if folder is not None:
        write_tables(found.rows, folder)
    return found.worst


def _folder(arguments: argparse.Namespace) -> Path | None:
    """Return where rows are kept: `check` writes only where it is told to."""
    if arguments.output:
        return Path(arguments.output)
    return None if arguments.prog.endswith("check") else Path("divergence-report")
