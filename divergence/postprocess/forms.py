"""The forms in which four numbers say a box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from divergence.records import Array

Change = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Form:
    """A form of boxes: to corners x1 y1 x2 y2 and back. Arrays have the coordinates first."""

    words: str
    to_corners: Change
    from_corners: Change


def _same(box: Array) -> Array:
    return box


def _to_centre(box: Array) -> Array:
    x1, y1, x2, y2 = box
    return np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1])


def _from_centre(box: Array) -> Array:
    x, y, w, h = box
    return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def _to_size(box: Array) -> Array:
    x1, y1, x2, y2 = box
    return np.stack([x1, y1, x2 - x1, y2 - y1])


def _from_size(box: Array) -> Array:
    x, y, w, h = box
    return np.stack([x, y, x + w, y + h])


def _swapped(box: Array) -> Array:
    return box[[1, 0, 3, 2]]


# By the names that torchvision gives them; yxyx is TensorFlow's.
FORMS: Mapping[str, Form] = {
    "xyxy": Form("x1 y1 x2 y2", _same, _same),
    "cxcywh": Form("cx cy w h", _from_centre, _to_centre),
    "xywh": Form("x y w h", _from_size, _to_size),
    "yxyx": Form("y1 x1 y2 x2", _swapped, _swapped),
}
