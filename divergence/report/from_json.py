"""A report restored from its JSON text: records, tuples and non-finite numbers as they were.

What is free-form (`environment`, `parameters`, a piece of evidence) comes back in JSON's own
types, so a tuple there is a list; the strings that stand for non-finite numbers are numbers again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from divergence.errors import LoadError
from divergence.records import Report
from divergence.report.to_json import NONFINITE

R = TypeVar("R", bound=Report)


def parse(text: str, where: str, kind: type[R]) -> R:
    """Return the report that `text` holds, as a `kind` of report.

    where: what the message calls the file.

    Raises:
        LoadError: not JSON, not a report, or a report of another schema.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise LoadError(f"{where} is not a report: it is not valid JSON ({error}).") from None
    _check_schema(document, where)
    try:
        report = _restore(kind, document)
    except (KeyError, TypeError, ValueError) as error:
        raise LoadError(
            f"{where} is not a complete report ({error}); trace again to write it anew."
        ) from None
    assert isinstance(report, kind)
    return report


def _check_schema(document: Any, where: str) -> None:
    known = Report.__dataclass_fields__["schema"].default
    found = document.get("schema") if isinstance(document, dict) else None
    if found != known:
        raise LoadError(
            f"{where} has the schema {found!r}, expected {known!r}: it was not written by "
            "`divergence trace`, or by another version of it."
        )


def _restore(kind: Any, value: Any) -> Any:
    """Return `value`, as JSON gave it, in the type `kind`."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _restore_optional(get_args(kind), value)
    if is_dataclass(kind):
        return _restore_record(kind, value)
    if origin is tuple:
        return _restore_tuple(get_args(kind), value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        item = get_args(kind)[1]
        return {k: _restore(item, v) for k, v in _of(dict, value).items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    return _restore_scalar(kind, value)


def _restore_scalar(kind: Any, value: Any) -> Any:
    if kind is float:
        return NONFINITE[value] if isinstance(value, str) else float(value)
    return _of(kind, value) if kind in (bool, int, str) else _free(value)


def _restore_optional(kinds: tuple[Any, ...], value: Any) -> Any:
    if value is None and NoneType in kinds:
        return None
    (kind,) = (k for k in kinds if k is not NoneType)
    return _restore(kind, value)


def _restore_record(kind: Any, value: Any) -> Any:
    _of(dict, value)
    hints = _hints(kind)
    given = {
        f.name: _restore(hints[f.name], value[f.name]) for f in fields(kind) if f.name in value
    }
    missing = [f.name for f in fields(kind) if f.name not in value and not _has_default(f)]
    if missing:
        raise KeyError(f"{kind.__name__} lacks {', '.join(missing)}")
    return kind(**given)


def _restore_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    items = _of(list, value)
    if kinds[-1] is Ellipsis:
        return tuple(_restore(kinds[0], item) for item in items)
    return tuple(_restore(kind, item) for kind, item in zip(kinds, items, strict=True))


def _free(value: Any) -> Any:
    if isinstance(value, list):
        return [_free(v) for v in value]
    if isinstance(value, dict):
        return {k: _free(v) for k, v in value.items()}
    return NONFINITE.get(value, value) if isinstance(value, str) else value


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
