"""A report as JSON text, and as the plain objects that it is made of."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from divergence.records import Alignment, Report

NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def render(report: Report) -> str:
    """Return `report.json`: standard JSON, non-finite numbers as strings."""
    # `schema` first: a reader sees at once what the file is.
    document = {"schema": report.schema} | plain(report)
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def plain(value: Any) -> Any:
    """Return `value` in the types that JSON knows.

    >>> plain({"epsilon": (1e-6, float("inf"))})
    {'epsilon': [1e-06, 'Infinity']}
    """
    if value is None or isinstance(value, bool | str | int | float):
        return _scalar(value)
    if is_dataclass(value):
        return _record(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    # numpy scalars and arrays, torch tensors; else a path, a dtype, a device
    return plain(value.tolist()) if hasattr(value, "tolist") else str(value)


def _record(record: Any) -> dict[str, Any]:
    held = {field.name: plain(getattr(record, field.name)) for field in fields(record)}
    if isinstance(record, Alignment):  # absent keys for what was not done
        return {name: value for name, value in held.items() if value is not None}
    return held


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return _number(float(value))  # numpy.float64 is a float with another repr
    return value


def _number(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
