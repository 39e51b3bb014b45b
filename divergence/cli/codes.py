"""Exit codes, as scripts rely on them."""

from __future__ import annotations

from divergence.records import Report, Status

WRONG = 2
INTERRUPTED = 130

BY_STATUS = {
    Status.IDENTICAL: 0,
    Status.ROUNDING: 0,
    Status.DIVERGENT: 1,
    Status.INCONCLUSIVE: 3,
}


def code_of(report: Report) -> int:
    """Return the exit code of a verdict."""
    return BY_STATUS[report.verdict.status]
