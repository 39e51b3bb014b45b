"""Geometry from two tensors alone: where in the reference's picture the candidate's stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.preparation.inference.borders import Box, content_box
from divergence.preparation.inference.readings import Reading, readings
from divergence.preparation.inference.registration import Axis, Map, coarse, grey, refine
from divergence.preparation.inference.side import tone_of
from divergence.preparation.inference.sources import guess_scaling
from divergence.preparation.inference.tone import Tone, fit_tone
from divergence.records import Array, Evidence, Finding

CAUSE = "preprocess.geometry"
# Two prepared tensors of one picture correlate better than this where they overlap.
_RECOGNISED = 0.8
# A shift or scale below this, in pixels, is what another kernel makes.
_PIXEL = 0.75
# A border is another one from this share of the tensor's range on.
_BORDER_SHARE = 0.03
# Pixels of a block that values are averaged over before they are compared.
_BLOCK = 12


@dataclass(frozen=True, slots=True)
class _Overlay:
    reading: Reading
    found: Map  # candidate to reference
    ours: Box  # what is left of the reference without its border
    theirs: Box


@dataclass(frozen=True, slots=True)
class Overlaid:
    """The finding, and what the values where both show the picture say besides.

    tone: from the reference's values to the candidate's, not exact. reading: the candidate's.
    """

    finding: Finding
    tone: Tone
    reading: Reading


def explain_geometry(reference: Array, candidate: Array) -> Overlaid | None:
    """Return how the candidate's picture lies on the reference's, None where it does not.

    None also where they coincide: then geometry is not what differs. The recipe is in the
    reference's pixels; how the image itself was prepared is not known without it.
    """
    overlay = _overlay(reference, candidate)
    if overlay is None:
        return None
    planes = next(readings(reference.shape)).planes(reference)
    tone = _tone(overlay, planes, candidate)
    if _coincide(overlay) and not _other_border(overlay, planes, candidate, tone):
        return None
    return Overlaid(_finding(overlay, candidate), tone, overlay.reading)


def _tone(overlay: _Overlay, ours: Array, candidate: Array) -> Tone:
    """Return gain, offset and order of channels where both show the picture."""
    box, found = overlay.theirs, overlay.found
    theirs = box.of(overlay.reading.planes(candidate))
    rows = found.rows.step * (np.arange(box.top, box.bottom) + 0.5) + found.rows.start
    columns = found.columns.step * (np.arange(box.left, box.right) + 0.5) + found.columns.start
    inner = overlay.ours
    kept_rows = (rows >= inner.top) & (rows < inner.bottom)
    kept_columns = (columns >= inner.left) & (columns < inner.right)
    made = ours[:, rows[kept_rows].astype(int)][:, :, columns[kept_columns].astype(int)]
    return fit_tone(_averaged(theirs[:, kept_rows][:, :, kept_columns]), _averaged(made))


def _averaged(planes: Array) -> Array:
    """Return means over blocks: kernels differ from pixel to pixel, hardly from block to block."""
    rows, columns = (max(1, length // _BLOCK) for length in planes.shape[1:])
    tall, wide = planes.shape[1] // rows, planes.shape[2] // columns
    cut = planes[:, : rows * tall, : columns * wide]
    return np.asarray(cut.reshape(len(planes), rows, tall, columns, wide).mean((2, 4)))


def _finding(overlay: _Overlay, candidate: Array) -> Finding:
    window, whole = _window(overlay), overlay.ours
    parameters: dict[str, Any] = {"window": [round(float(edge), 2) for edge in window]}
    parameters |= _border(overlay, candidate)
    steps = (overlay.found.rows.step, overlay.found.columns.step)
    if abs(steps[0] / steps[1] - 1) < 0.01:
        parameters["share_ratio"] = round(float(np.mean(steps)), 4)
    text = ", ".join(f"{edge:.1f}" for edge in window)
    return Finding(
        CAUSE,
        None,
        0.6,
        "The candidate's picture is brought to size otherwise: it shows rows and columns "
        f"({text}: top, left, bottom, right) of the reference's picture, which stands in "
        f"({whole.top}, {whole.left}, {whole.bottom}, {whole.right}); with the image, the whole "
        "preparation could be named.",
        (
            Evidence("picture in the tensor", _edges(overlay.ours), _edges(overlay.theirs)),
            Evidence(
                "pixels of the reference for one",
                (1.0, 1.0),
                tuple(round(float(s), 4) for s in steps),
            ),
        ),
        "Prepare the candidate's picture like the reference's; give the image to see in which "
        "step they differ.",
        parameters,
    )


def _overlay(reference: Array, candidate: Array) -> _Overlay | None:
    """Return the best of registering one onto the other, whichever shows more."""
    ours = next(readings(reference.shape)).planes(reference)
    box, plane = content_box(ours), grey(ours)
    best: _Overlay | None = None
    for reading in readings(candidate.shape):
        theirs = reading.planes(candidate)
        their_box, their_plane = content_box(theirs), grey(theirs)
        start = coarse(their_plane, box.of(plane), their_box)
        inner = refine(their_plane, box.of(plane), their_box, start)
        outer = refine(
            plane, their_box.of(their_plane), box, coarse(plane, their_box.of(their_plane), box)
        )
        found = _moved(inner, box) if inner.score >= outer.score else _inverted(outer, their_box)
        if best is None or found.score > best.found.score + 0.02:
            best = _Overlay(reading, found, box, their_box)
    return best if best is not None and best.found.score >= _RECOGNISED else None


def _moved(found: Map, box: Box) -> Map:
    """Return a map into a window as one into the whole."""
    return Map(
        Axis(found.rows.step, found.rows.start + box.top),
        Axis(found.columns.step, found.columns.start + box.left),
        found.score,
    )


def _inverted(found: Map, box: Box) -> Map:
    """Return the map back; `found` leads into the window `box`."""
    rows, columns = found.rows, found.columns
    return Map(
        Axis(1 / rows.step, -(rows.start + box.top) / rows.step),
        Axis(1 / columns.step, -(columns.start + box.left) / columns.step),
        found.score,
    )


def _window(overlay: _Overlay) -> tuple[float, float, float, float]:
    """Return top, left, bottom, right of the candidate's picture in the reference's pixels."""
    rows, columns, box = overlay.found.rows, overlay.found.columns, overlay.theirs
    return (
        rows.step * box.top + rows.start,
        columns.step * box.left + columns.start,
        rows.step * box.bottom + rows.start,
        columns.step * box.right + columns.start,
    )


def _coincide(overlay: _Overlay) -> bool:
    window = _window(overlay)
    same = zip(window, _edges(overlay.ours), strict=True)
    return overlay.ours == overlay.theirs and all(abs(a - b) < _PIXEL for a, b in same)


def _other_border(overlay: _Overlay, ours: Array, candidate: Array, tone: Tone) -> bool:
    """Say whether borders of one size hold other values than the tone between them makes."""
    theirs, box = overlay.reading.planes(candidate), overlay.theirs
    outside = box.outside(*theirs.shape[1:])
    if not outside.any() or ours.shape != theirs.shape:
        return False
    wanted = tone.apply(np.median(ours[:, outside], axis=1)[:, None])[:, 0]
    distance = np.abs(np.median(theirs[:, outside], axis=1) - wanted)
    return bool((distance > _BORDER_SHARE * np.ptp(theirs)).any())


def _border(overlay: _Overlay, candidate: Array) -> dict[str, Any]:
    """Return the candidate's border and the size of the picture in it, in the words of a SPEC."""
    planes, box = overlay.reading.planes(candidate), overlay.theirs
    size = planes.shape[1], planes.shape[2]
    if (box.height, box.width) == size:
        return {"resize": {"to": list(size)}}
    outside = np.median(planes[:, box.outside(*size)], axis=1)
    # In bytes where the tensor's normalisation is one in wide use, else as it stands.
    scaling = guess_scaling(planes)
    in_bytes = tone_of(scaling, tuple(range(len(planes)))).undo(outside[:, None])[:, 0]
    whole = np.rint(in_bytes)
    known = bool(np.all(np.abs(in_bytes - whole) < 0.05))
    value = [round(float(v), 4) for v in (whole if known else outside)]
    centred = (box.top, box.left) == ((size[0] - box.height) // 2, (size[1] - box.width) // 2)
    at: Any = "center" if centred else [box.top, box.left]
    at = "top-left" if (box.top, box.left) == (0, 0) else at
    fitted = size[0] == size[1] == max(box.height, box.width)
    merged: Any = value[0] if len(set(value)) == 1 else value
    return {
        "resize": {"longest": size[0]} if fitted else {"to": [box.height, box.width]},
        "pad": {"to": list(size), "value": merged, "at": at},
    }


def _edges(box: Box) -> tuple[int, int, int, int]:
    return box.top, box.left, box.bottom, box.right
