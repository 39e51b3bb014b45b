"""Boxes of both sides drawn on the image, as a PNG within a text."""

from __future__ import annotations

import base64
import io
from typing import Any

from divergence.postprocess.detections import THRESHOLD, matches
from divergence.records import Array

# Longest side of the drawing, in pixels: a report stays small.
_SIDE = 640
_MOST_BOXES = 60
# Okabe and Ito's palette, as in the charts; a box that one side alone has is drawn thicker.
REFERENCE, CANDIDATE = "#0072b2", "#e69f00"


def draw(image: Any, reference: Array, candidate: Array) -> str:
    """Return `data:image/png;base64,...`: the image with the boxes of both sides.

    image: a Pillow image, upright. reference, candidate: tables x1 y1 x2 y2 score label in its
    pixels. Drawn is what scores `THRESHOLD` and more, at most 60 on each side.
    """
    from PIL import Image, ImageDraw

    ratio = min(1.0, _SIDE / max(image.size))
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    canvas = image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(canvas)
    ours, theirs = (_shown(side) for side in (reference, candidate))
    pairs = matches(ours, theirs)
    for rows, colour, common in (
        (ours, REFERENCE, {i for i, _ in pairs}),
        (theirs, CANDIDATE, {j for _, j in pairs}),
    ):
        for number, row in enumerate(rows):
            _box(pen, row, ratio, colour, alone=number not in common)
    return _encoded(canvas)


def _shown(rows: Array) -> Array:
    best = rows[rows[:, 4] >= THRESHOLD]
    return best[(-best[:, 4]).argsort(kind="stable")][:_MOST_BOXES]


def _box(pen: Any, row: Array, ratio: float, colour: str, *, alone: bool) -> None:
    x1, y1, x2, y2 = (float(v) * ratio for v in row[:4])
    if x2 < x1 or y2 < y1:
        return
    pen.rectangle((x1, y1, x2, y2), outline=colour, width=3 if alone else 1)
    pen.text((x1 + 2, y1 + 1), f"{int(row[5])} {row[4]:.2f}", fill=colour)


def _encoded(canvas: Any) -> str:
    """Return the PNG; 128 colours keep a photograph small and boxes clear."""
    file = io.BytesIO()
    canvas.quantize(128).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
