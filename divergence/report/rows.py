"""A pair as one flat row: the columns of `pairs.csv` and of the table in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from divergence.records import Pair, Report
from divergence.report.to_json import plain

# In the order of the file. Absent figures are None; lists stay lists.
COLUMNS: Mapping[str, Callable[[Pair], Any]] = {
    "reference": lambda p: p.reference,
    "candidate": lambda p: p.candidate,
    "paired_by": lambda p: p.paired_by,
    "confidence": lambda p: p.confidence,
    "stage": lambda p: p.stage,
    "order": lambda p: p.order,
    "reference_scope": lambda p: p.reference_scope,
    "verdict": lambda p: p.verdict.value,
    "shape": lambda p: list(p.shape),
    "reference_dtype": lambda p: p.dtypes[0],
    "candidate_dtype": lambda p: p.dtypes[1],
    "alignment": lambda p: p.alignment and plain(p.alignment),
    "max_abs": lambda p: p.metrics.max_abs,
    "mean_abs": lambda p: p.metrics.mean_abs,
    "rmse": lambda p: p.metrics.rmse,
    "max_rel": lambda p: p.metrics.max_rel,
    "cosine": lambda p: p.metrics.cosine,
    "sqnr_db": lambda p: p.metrics.sqnr_db,
    "max_ulp": lambda p: p.metrics.max_ulp,
    "mismatched": lambda p: p.metrics.mismatched,
    "nonfinite": lambda p: p.metrics.nonfinite,
    "total": lambda p: p.metrics.total,
    "worst_index": lambda p: plain(p.metrics.worst_index),
    "floor_reference_max_abs": lambda p: p.floor and p.floor.reference_max_abs,
    "floor_candidate_max_abs": lambda p: p.floor and p.floor.candidate_max_abs,
    "floor_multiple": lambda p: p.floor and p.floor.multiple,
    "introduced_max_abs": lambda p: p.introduced and p.introduced.max_abs,
    "introduced_multiple": lambda p: p.introduced and p.introduced.multiple,
    "headroom_bits": lambda p: p.headroom_bits,
    "reason": lambda p: p.reason,
    "ignored": lambda p: p.ignored,
}


def rows(report: Report) -> Iterator[dict[str, Any]]:
    """Yield one row for each pair, in the reference's execution order."""
    for pair in report.pairs:
        yield {name: read(pair) for name, read in COLUMNS.items()}
