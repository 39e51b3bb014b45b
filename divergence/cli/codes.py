"""Exit codes, as scripts rely on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from divergence.records import Report

WRONG = 2
INTERRUPTED = 130

# By the words of `records.Status`, whose module would cost `--help` the import of numpy.
BY_STATUS = {"identical": 0, "rounding": 0, "divergent": 1, "inconclusive": 3}


def code_of(report: Report) -> int:
    """Return the exit code of a verdict."""
    return BY_STATUS[report.verdict.status.value]
