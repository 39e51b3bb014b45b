"""Render a run again, or judge it again by other tolerances, without running a model.

Judged again, the run on disk stays as it is; --output writes the new judgement elsewhere.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from divergence.cli import tracing
from divergence.cli.codes import code_of
from divergence.cli.show import write_and_show

if TYPE_CHECKING:
    from divergence.options import Options
    from divergence.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("run_folder", metavar="RUN", help="the folder that `trace` wrote")
    tracing.add_tolerances(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="where it is written (RUN itself)")
    parser.add_argument("--no-html", action="store_true", help="write no page")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def run(arguments: argparse.Namespace) -> int:
    """Load the run, judge it again where asked, write and show it; return the exit code."""
    from divergence.options import parse_options
    from divergence.report import Report

    folder = Path(arguments.run_folder)
    report = Report.load(folder)
    asked = {name: getattr(arguments, name) for name in ("rtol", "atol", "ignore")}
    judged = any(value is not None for value in asked.values())
    if judged:
        report = _judged_again(report, parse_options(asked))
    home = folder if folder.is_dir() else folder.parent
    output = Path(arguments.output) if arguments.output else None if judged else home
    write_and_show(report, output, html=not arguments.no_html, quiet=arguments.quiet)
    return code_of(report)


def _judged_again(report: Report, asked: Options) -> Report:
    from divergence.diagnose.rejudge import Criteria, rejudge

    criteria = Criteria(asked.rtol, asked.atol, asked.ignore)
    answer = rejudge(report, criteria)
    return replace(answer, options={**report.options, **asked.describe()})
