"""postprocess.box_scale: boxes in other units, or in another form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from divergence.postprocess.relation import AGREE, Relation, scale
from divergence.records import Array, Evidence

CAUSE = "postprocess.box_scale"

COORDINATES = 4
# Columns beside the four coordinates: scores, classes, mask coefficients.
MOST_COLUMNS = 256


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield gains for each coordinate, gains with offsets, and the other forms of a box."""
    if reference.shape != candidate.shape or not reference.size:
        return
    for axis in range(reference.ndim - 1, -1, -1):
        if COORDINATES <= reference.shape[axis] <= MOST_COLUMNS:
            yield from _scaled(reference, candidate, axis)
            yield from _other_form(axis)
    yield from _one_gain(reference, candidate)


def _one_gain(reference: Array, candidate: Array) -> Iterator[Relation]:
    gain, _ = _fit(reference.ravel(), candidate.ravel(), offset=False)
    if gain is not None and abs(gain - 1) > AGREE:
        yield _relation(
            f"every number of the candidate is {gain:.6g} times the reference's",
            lambda value: value.astype(np.float64) * gain,
            {"gain": gain},
        )


def _scaled(reference: Array, candidate: Array, axis: int) -> Iterator[Relation]:
    ours, theirs = (np.moveaxis(value, axis, 0) for value in (reference, candidate))
    for offset in (False, True):
        fits = [_fit(a.ravel(), b.ravel(), offset) for a, b in zip(ours, theirs, strict=True)]
        if any(gain is None for gain, _ in fits):
            continue
        gains = np.array([gain for gain, _ in fits], dtype=np.float64)
        shifts = np.array([shift for _, shift in fits])
        changed = np.flatnonzero((np.abs(gains - 1) > AGREE) | (np.abs(shifts) > 0))
        if not changed.size:
            continue
        yield _coordinates(axis, reference.ndim, gains, shifts, changed)
        return


def _coordinates(axis: int, ndim: int, gains: Array, shifts: Array, changed: Array) -> Relation:
    """Return the relation of a gain and an offset for each coordinate."""
    view = [1] * ndim
    view[axis] = -1
    slope, start = gains.reshape(view), shifts.reshape(view)
    first = changed[:COORDINATES]
    text = f"gains {', '.join(f'{gains[i]:.6g}' for i in first)}"
    if shifts.any():
        text += f" and offsets {', '.join(f'{shifts[i]:.6g}' for i in first)}"
    return _relation(
        f"coordinates {first.tolist()} of the candidate have {text}",
        lambda value: np.asarray(value * slope + start),
        {"gain": gains[changed].tolist(), "offset": shifts[changed].tolist(), "axis": axis},
    )


def _fit(reference: Array, candidate: Array, offset: bool) -> tuple[float | None, float]:
    """Return gain and offset with candidate = gain * reference + offset, (None, 0) if none fits."""
    a, b = reference.astype(np.float64), candidate.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None, 0.0
    allowed = AGREE * max(scale(b), 1e-12)
    if np.abs(a - b).max(initial=0.0) <= allowed:
        return 1.0, 0.0
    shift = 0.0
    if offset:
        spread = a - a.mean()
        energy = float(spread @ spread)
        gain = float(spread @ (b - b.mean())) / energy if energy else 1.0
        shift = float(b.mean() - gain * a.mean())
    else:
        energy = float(a @ a)
        gain = float(a @ b) / energy if energy else 1.0
    fits = np.abs(gain * a + shift - b).max(initial=0.0) <= allowed and gain != 0
    return (gain, shift) if fits else (None, 0.0)


def _centre(box: Array) -> Array:
    x1, y1, x2, y2 = box
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])


def _corner(box: Array) -> Array:
    x1, y1, x2, y2 = box
    return np.stack([x1, y1, x2 - x1, y2 - y1])


def _from_centre(box: Array) -> Array:
    x, y, w, h = box
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def _from_corner(box: Array) -> Array:
    x, y, w, h = box
    return np.stack([x, y, x + w, y + h])


def _swapped(box: Array) -> Array:
    return box[[1, 0, 3, 2]]


FORMS: Mapping[tuple[str, str], Callable[[Array], Array]] = {
    ("x1 y1 x2 y2", "cx cy w h"): _centre,
    ("x1 y1 x2 y2", "x y w h"): _corner,
    ("cx cy w h", "x1 y1 x2 y2"): _from_centre,
    ("x y w h", "x1 y1 x2 y2"): _from_corner,
    ("cx cy w h", "x y w h"): lambda box: _corner(_from_centre(box)),
    ("x y w h", "cx cy w h"): lambda box: _centre(_from_corner(box)),
    ("x y", "y x"): _swapped,
}


def _other_form(axis: int) -> Iterator[Relation]:
    for (ours, theirs), convert in FORMS.items():

        def change(value: Array, convert: Callable[[Array], Array] = convert) -> Array:
            columns = np.moveaxis(value.astype(np.float64), axis, 0).copy()
            columns[:COORDINATES] = convert(columns[:COORDINATES])
            return np.moveaxis(columns, 0, axis)

        yield _relation(
            f"the candidate's boxes are {theirs} where the reference's are {ours}",
            change,
            {"format": [ours, theirs], "axis": axis},
        )


def _relation(
    explanation: str, change: Callable[[Array], Array], parameters: Mapping[str, Any]
) -> Relation:
    name, value = next(iter(parameters.items()))
    ours = value[0] if name == "format" else 1.0
    return Relation(
        CAUSE,
        explanation,
        f"bring the reference's boxes to the candidate's {name}",
        on_reference=lambda v: np.asarray(change(v)),
        evidence=(Evidence(f"{name} of the boxes", ours, value[1] if name == "format" else value),),
        remedy="Map the boxes of both sides to the same units and form before they are used.",
        parameters=parameters,
    )
