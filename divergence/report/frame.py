"""The pairs as a pandas table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from divergence.records import Report
from divergence.report.rows import COLUMNS, rows

if TYPE_CHECKING:
    from pandas import DataFrame


def render(report: Report) -> DataFrame:
    """Return one row a pair with the columns of `pairs.csv`."""
    import pandas as pd

    return pd.DataFrame(list(rows(report)), columns=list(COLUMNS))
