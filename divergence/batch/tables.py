"""The rows of all inputs as a table: CSV always, Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.batch.records import COLUMNS, Row
from divergence.errors import OutputError

if TYPE_CHECKING:
    from pandas import DataFrame

CSV, PARQUET = "inputs.csv", "inputs.parquet"
_INTEGERS = (
    "reference_class", "candidate_class", "label", "reference_boxes", "candidate_boxes",
    "matched_boxes",
)  # fmt: skip
_TYPES = {
    **dict.fromkeys(("input", "state", "reason"), "string"),
    **dict.fromkeys(_INTEGERS, "Int64"),
    "top1": "boolean",
}


def write_tables(rows: Sequence[Row], folder: Path) -> None:
    """Write `inputs.csv`, and `inputs.parquet` where pyarrow is there, each whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        _place(folder / CSV, _csv(rows).encode())
        if importlib.util.find_spec("pyarrow") is not None:
            file = io.BytesIO()
            frame(rows).to_parquet(file, index=False)
            _place(folder / PARQUET, file.getvalue())
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}.") from error


def frame(rows: Sequence[Row]) -> DataFrame:
    """Return the rows as a table; what has no meaning is missing."""
    import pandas as pd

    held = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    return pd.DataFrame(held, dtype=object).astype(
        {name: _TYPES.get(name, "Float64") for name in COLUMNS}
    )


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(value) for value in astuple(row)] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else value


def _place(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
