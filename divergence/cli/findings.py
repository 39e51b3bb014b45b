"""What `inputs` and `outputs` share: printing findings, and the exit code they mean."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from divergence.cli.console import reader_may_leave

if TYPE_CHECKING:
    from divergence.records import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two arrays and how to print."""
    parser.add_argument("reference", metavar="REFERENCE", help="a .npy, .npz or .pt file")
    parser.add_argument("candidate", metavar="CANDIDATE", help="a .npy, .npz or .pt file")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def show(findings: Sequence[Finding], *, as_json: bool, nothing: str) -> int:
    """Print the findings, or `nothing`; return 1 where there are any, as for a divergence."""
    from divergence.report import findings as plainly
    from divergence.report.to_json import plain

    with reader_may_leave():
        if as_json:
            print(json.dumps(plain(list(findings)), ensure_ascii=False, indent=1))
        else:
            print("\n".join(plainly.render(findings)) or nothing)
    return 1 if findings else 0
