"""The pairs as CSV: for spreadsheets, and as the file that `--pairs` reads back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from divergence.records import Report
from divergence.report.rows import COLUMNS, rows
from divergence.report.to_json import plain


def render(report: Report) -> str:
    """Return `pairs.csv`: a header, then one line a pair; lists and alignments as JSON."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: _cell(v) for k, v in row.items()} for row in rows(report))
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return plain(value)
