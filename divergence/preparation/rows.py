"""inputs.other: inputs that are no pictures, compared row by row."""

from __future__ import annotations

from typing import Any

import numpy as np

from divergence.records import Array, Evidence, Finding

CAUSE = "inputs.other"
# Indices that are written out; more are counted.
_LISTED = 16


def explain_rows(reference: Array, candidate: Array, name: str = "") -> Finding | None:
    """Return how two arrays differ along one axis, None where they are equal.

    Looked for, in this order: another number of dimensions, rows that one side alone has, the
    same rows in another order, and rows with other values.
    """
    if reference.shape == candidate.shape and _equal(reference, candidate):
        return None
    broken = _not_finite(reference, candidate, name)
    if broken is not None:
        return broken
    if reference.ndim != candidate.ndim:
        return _shapes_differ(reference, candidate, name)
    axes = [a for a in range(reference.ndim) if reference.shape[a] != candidate.shape[a]]
    if len(axes) > 1:
        return _shapes_differ(reference, candidate, name)
    if axes:
        return _missing(reference, candidate, axes[0], name)
    return _reordered(reference, candidate, name) or _changed(reference, candidate, name)


def finding(
    explanation: str,
    parameters: dict[str, Any],
    evidence: tuple[Evidence, ...],
    remedy: str,
    confidence: float = 0.95,
) -> Finding:
    """Return a finding of inputs.other; an input without a name is not among its parameters."""
    told = {key: value for key, value in parameters.items() if (key, value) != ("input", "")}
    return Finding(CAUSE, None, confidence, explanation, evidence, remedy, told)


def _not_finite(reference: Array, candidate: Array, name: str) -> Finding | None:
    """Say how many values are NaN or infinite where that is so on the candidate's side alone."""
    counts = [int((~np.isfinite(array)).sum()) for array in (reference, candidate)]
    if counts[1] <= counts[0]:
        return None
    return finding(
        f"{_name(name)}{counts[1]:,} of {candidate.size:,} values are NaN or infinite on the "
        f"candidate's side, {counts[0]:,} on the reference's.",
        {"not_finite": counts[1], "input": name},
        (Evidence("NaN or infinite", counts[0], counts[1]),),
        "Look for a division by zero or a missing value where the input is made.",
    )


def _missing(reference: Array, candidate: Array, axis: int, name: str) -> Finding:
    ours, theirs = _rows(reference, axis), _rows(candidate, axis)
    longer_is_ours = len(ours) > len(theirs)
    long, short = (ours, theirs) if longer_is_ours else (theirs, ours)
    extra = _extra(long, short)
    who = "candidate lacks" if longer_is_ours else "candidate has in addition"
    evidence = (Evidence("shape", reference.shape, candidate.shape),)
    if extra is None:
        return finding(
            f"{_name(name)}differs in length along axis {axis} ({len(ours)} rows against "
            f"{len(theirs)}), and the rows that both have are not the same.",
            {"axis": axis, "input": name},
            evidence,
            "Feed both sides the same values.",
            0.8,
        )
    kind = _kind(long[extra])
    return finding(
        f"{_name(name)}the {who} {len(extra)} of {len(long)} rows along axis {axis}: "
        f"{_listed(extra)}{kind}; all other rows are equal.",
        {"axis": axis, "rows": extra[:_LISTED], "missing": longer_is_ours, "input": name},
        (*evidence, Evidence(f"rows along axis {axis}", len(ours), len(theirs))),
        "Feed the candidate the rows that the reference gets, padding rows included."
        if longer_is_ours
        else "Feed the candidate no more rows than the reference gets.",
    )


def _extra(long: Array, short: Array) -> list[int] | None:
    """Return the rows of `long` that `short` skips, None where it is no part of it in order."""
    extra: list[int] = []
    place = 0
    for index, row in enumerate(long):
        if place < len(short) and _equal(row, short[place]):
            place += 1
        else:
            extra.append(index)
    return extra if place == len(short) else None


def _kind(rows: Array) -> str:
    """Return what rows hold if it is one value throughout."""
    if float(np.ptp(rows)) == 0:
        return f" (each element {rows.ravel()[0]:.6g})"
    return ""


def _reordered(reference: Array, candidate: Array, name: str) -> Finding | None:
    """Look for the axis along which the same rows stand in another order."""
    for axis in range(reference.ndim):
        ours, theirs = _rows(reference, axis), _rows(candidate, axis)
        if len(ours) < 2:
            continue
        places = {row.tobytes(): index for index, row in enumerate(ours)}
        order = [places.get(row.tobytes(), -1) for row in theirs]
        if len(places) == len(ours) and sorted(order) == list(range(len(ours))):
            return finding(
                f"{_name(name)}the candidate has the same rows along axis {axis} in another "
                f"order: {_listed(order)}.",
                {"axis": axis, "order": order[:_LISTED], "input": name},
                (Evidence(f"order along axis {axis}", "0, 1, 2 ...", _listed(order)),),
                "Feed the candidate the rows in the reference's order.",
            )
    return None


def _changed(reference: Array, candidate: Array, name: str) -> Finding:
    """Say which rows differ, along the axis where the fewest do."""
    best: tuple[float, int, list[int], int] | None = None
    for axis in range(reference.ndim):
        ours, theirs = _rows(reference, axis), _rows(candidate, axis)
        rows = [i for i in range(len(ours)) if not _equal(ours[i], theirs[i])]
        share = len(rows) / len(ours)
        if len(ours) > 1 and (best is None or share < best[0]):
            best = (share, axis, rows, len(ours))
    if best is None:  # a scalar, or one element in each direction
        best = (1.0, 0, [0], 1)
    _, axis, rows, count = best
    theirs = _rows(candidate, axis)[rows]
    return finding(
        f"{_name(name)}{len(rows)} of {count} rows along axis {axis} have other values: "
        f"{_listed(rows)}{_kind(theirs)}.",
        {"axis": axis, "rows": rows[:_LISTED], "input": name},
        (
            Evidence("first differing row", *_samples(reference, candidate, axis, rows[0])),
            Evidence("differing rows", 0, len(rows)),
        ),
        "Feed both sides the same values.",
        0.95 if len(rows) < count else 0.7,
    )


def _samples(reference: Array, candidate: Array, axis: int, row: int) -> tuple[Any, Any]:
    first, second = (
        _rows(array, axis)[row].ravel()[:4].tolist() for array in (reference, candidate)
    )
    return first, second


def _shapes_differ(reference: Array, candidate: Array, name: str) -> Finding:
    same = reference.size == candidate.size and _equal(reference.ravel(), candidate.ravel())
    how = "with the same values in the same order" if same else "with other values"
    return finding(
        f"{_name(name)}the candidate's shape is {candidate.shape}, the reference's "
        f"{reference.shape}, {how}.",
        {"shape": list(candidate.shape), "input": name},
        (Evidence("shape", reference.shape, candidate.shape),),
        f"Feed the candidate an array of shape {reference.shape}.",
        0.95 if same else 0.8,
    )


def _rows(array: Array, axis: int) -> Array:
    moved = np.moveaxis(array, axis, 0) if array.ndim else array.reshape(1)
    return np.ascontiguousarray(moved.reshape(len(moved), -1))


def _equal(first: Array, second: Array) -> bool:
    if first.dtype.kind in "iub" and second.dtype.kind in "iub":
        return bool(np.array_equal(first, second))
    scale = float(np.abs(first).max(initial=0.0))
    return bool(np.allclose(first, second, rtol=0, atol=1e-6 * scale, equal_nan=True))


def _listed(rows: list[int]) -> str:
    shown = ", ".join(str(row) for row in rows[:_LISTED])
    return f"{shown} and {len(rows) - _LISTED} more" if len(rows) > _LISTED else shown


def _name(name: str) -> str:
    return f"Input '{name}': " if name else "Input: "
