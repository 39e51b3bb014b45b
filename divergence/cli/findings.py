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
    parser.add_argument("reference", metavar="REFERENCE", help="a .npy or .npz file")
    parser.add_argument("candidate", metavar="CANDIDATE", help="a .npy or .npz file")
    parser.add_argument("--json", action="store_true", help="print JSON")


def show(findings: Sequence[Finding], *, same: bool, sentence: str, as_json: bool) -> int:
    """Print the sentence and the findings; return 0 where both are the same, else 1.

    same: whether there is no difference; with one that nothing explains it is not.
    """
    from divergence.report import findings as plainly
    from divergence.report.to_json import plain
    from divergence.report.words import printable

    with reader_may_leave():
        if as_json:
            held = {"same": same, "sentence": sentence, "findings": plain(list(findings))}
            print(json.dumps(held, ensure_ascii=False, indent=1))
        else:
            told = plainly.render(findings)
            print("\n".join([printable(sentence), *([""] if told else []), *told]))
    return 0 if same else 1
