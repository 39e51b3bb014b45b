"""postprocess.box_scale: boxes in other units, or in another form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.postprocess.fit import Line, fit
from divergence.postprocess.forms import FORMS, Form
from divergence.postprocess.relation import Change, Relation
from divergence.postprocess.slices import channel_axes
from divergence.records import Array, Evidence

CAUSE = "postprocess.box_scale"

COORDINATES = 4
# Columns beside the four coordinates: scores, classes, mask coefficients, key points.
MOST_COLUMNS = 256
# A line through fewer rows fits whatever they hold.
_FEWEST_ROWS = 8
# A column has a line of its own where that leaves this many times less than nothing at all.
_NEARER = 2.0


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield boxes brought to other forms and units, gains for each column, and one for all."""
    if reference.shape != candidate.shape or not reference.size:
        return
    if COORDINATES not in reference.shape:  # nothing but boxes may be there, too
        yield from _all(reference, candidate)
    for axis in channel_axes(reference.ndim):
        if COORDINATES <= reference.shape[axis] <= MOST_COLUMNS:
            yield from _boxes(reference, candidate, axis)
        if 1 < reference.shape[axis] <= MOST_COLUMNS:
            yield from _columns(reference, candidate, axis)
    if COORDINATES in reference.shape:
        yield from _all(reference, candidate)


@dataclass(frozen=True, slots=True)
class _Mapping:
    """How boxes of one form become boxes of another: a line for x and one for y."""

    ours: Form
    theirs: Form
    x: Line
    y: Line

    @property
    def plain(self) -> bool:
        return self.x.plain and self.y.plain

    def __call__(self, box: Array) -> Array:
        corners = self.ours.to_corners(box.astype(np.float64))
        mapped = np.stack([(self.x if n % 2 == 0 else self.y).at(c) for n, c in enumerate(corners)])
        return self.theirs.from_corners(mapped)


def _boxes(reference: Array, candidate: Array, axis: int) -> Iterator[Relation]:
    ours, theirs = (np.moveaxis(v, axis, 0)[:COORDINATES] for v in (reference, candidate))
    for first in FORMS.values():
        for second in FORMS.values():
            before = first.to_corners(ours.astype(np.float64))
            after = second.to_corners(theirs.astype(np.float64))
            x, y = fit(before[0::2], after[0::2]), fit(before[1::2], after[1::2])
            if x is None or y is None:
                continue
            mapping = _Mapping(first, second, x, y)
            if first is not second or not mapping.plain:
                yield _box_relation(mapping, axis)


def _box_relation(mapping: _Mapping, axis: int) -> Relation:
    ours, theirs = mapping.ours.words, mapping.theirs.words
    parameters: dict[str, Any] = {"axis": axis}
    parts = []
    if mapping.ours is not mapping.theirs:
        parts.append(f"are {theirs} where the reference's are {ours}")
        parameters["format"] = [ours, theirs]
    if not mapping.plain:
        parts.append(f"have {_lines(mapping)}")
        parameters |= _gains(mapping)
    evidence = Evidence("boxes", ours, theirs)
    if mapping.ours is mapping.theirs:
        evidence = Evidence("gain and offset of x, y", [1, 0, 1, 0], [*mapping.x, *mapping.y])
    return _relation(
        f"the candidate's boxes {' and '.join(parts)}",
        "bring the reference's boxes to the candidate's units and form",
        _on_first(mapping, axis),
        evidence,
        parameters,
        plain=mapping.ours is mapping.theirs and mapping.x.is_shift and mapping.y.is_shift,
    )


def _lines(mapping: _Mapping) -> str:
    x, y = mapping.x, mapping.y
    text = f"gains of {x.gain:.6g} in x and {y.gain:.6g} in y"
    if x.offset or y.offset:
        text += f", offsets of {x.offset:.6g} and {y.offset:.6g}"
    return text


def _gains(mapping: _Mapping) -> dict[str, list[float]]:
    """Return gain and offset of each coordinate in the candidate's form."""
    x, y = mapping.x, mapping.y
    gains = np.array([x.gain, y.gain, x.gain, y.gain])
    zero = mapping.theirs.from_corners(np.array([x.offset, y.offset, x.offset, y.offset]))
    swapped = mapping.theirs is FORMS["yxyx"]
    return {"gain": (gains[[1, 0, 3, 2]] if swapped else gains).tolist(), "offset": zero.tolist()}


def _on_first(change: Change, axis: int) -> Change:
    def changed(value: Array) -> Array:
        columns = np.moveaxis(value.astype(np.float64), axis, 0).copy()
        columns[:COORDINATES] = change(columns[:COORDINATES])
        return np.moveaxis(columns, 0, axis)

    return changed


def _columns(reference: Array, candidate: Array, axis: int) -> Iterator[Relation]:
    """Yield a line of its own for each column that has one: key points, angles, colours."""
    if reference.size // reference.shape[axis] < _FEWEST_ROWS:
        return
    ours, theirs = (np.moveaxis(v, axis, 0) for v in (reference, candidate))
    lines = {i: line for i in range(len(ours)) if (line := _line(ours[i], theirs[i])) is not None}
    if not lines:
        return
    gain, offset = np.ones(len(ours)), np.zeros(len(ours))
    for i, line in lines.items():
        gain[i], offset[i] = line
    view = [1] * reference.ndim
    view[axis] = -1
    slope, start = gain.reshape(view), offset.reshape(view)
    columns = list(lines)
    yield _relation(
        f"columns {columns[:COORDINATES]} of axis {axis} of the candidate have "
        f"{_shown('gain', gain[columns])}{_shown(' and offset', offset[columns], plain=0.0)}",
        "bring the reference's columns to the candidate's units",
        lambda value: np.asarray(value * slope + start),
        Evidence("gain of the columns", 1, gain[columns].tolist()),
        {
            "gain": gain[columns].tolist(),
            "offset": offset[columns].tolist(),
            "axis": axis,
            "columns": columns,
        },
        plain=all(line.is_shift for line in lines.values()),
    )


def _line(ours: Array, theirs: Array) -> Line | None:
    """Return the line of one column; None where the column is nearly as near without it."""
    line = fit(ours, theirs)
    if line is None or line.plain:
        return None
    before, after = (np.square(v.astype(np.float64) - theirs).sum() for v in (ours, line.at(ours)))
    return line if before > _NEARER**2 * after else None


def _shown(name: str, numbers: Array, plain: float | None = None) -> str:
    if plain is not None and (numbers == plain).all():
        return ""
    return f"{name}s {', '.join(f'{number:.6g}' for number in numbers[:COORDINATES])}"


def _all(reference: Array, candidate: Array) -> Iterator[Relation]:
    line = fit(reference, candidate)
    if line is None or line.plain:
        return
    text = f"every number of the candidate is {line.gain:.6g} times the reference's"
    yield _relation(
        text + (f", plus {line.offset:.6g}" if line.offset else ""),
        "bring the reference's numbers to the candidate's units",
        line.at,
        Evidence("gain and offset", [1, 0], list(line)),
        {"gain": line.gain, "offset": line.offset},
        plain=line.is_shift,
    )


def _relation(
    explanation: str,
    action: str,
    change: Change,
    evidence: Evidence,
    parameters: Mapping[str, Any],
    *,
    plain: bool = False,
) -> Relation:
    return Relation(
        CAUSE,
        explanation,
        action,
        on_reference=lambda v: np.asarray(change(v)),
        evidence=(evidence,),
        remedy="Map the boxes of both sides to the same units and form before they are used.",
        parameters=parameters,
        plain=plain,
    )
