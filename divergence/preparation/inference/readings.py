"""Layouts: which axis of a tensor is which, also where memory was only given another shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from divergence.records import Array

_CHANNELS = (3, 1, 4)
# A side shorter than this is no picture.
_SHORTEST = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """A tensor read as a picture.

    axes: a letter for each axis, such as NCHW. shape: what the memory is reshaped to first,
    None for the tensor's own shape: a picture in H, W, C that was reshaped instead of transposed.
    """

    axes: str
    shape: tuple[int, ...] | None = None

    def planes(self, tensor: Array) -> Array:
        """Return the first picture of the batch as float64 planes (C, H, W)."""
        values = tensor if self.shape is None else tensor.reshape(self.shape)
        if "N" in self.axes:
            values = values.take(0, axis=self.axes.index("N"))
        axes = self.axes.replace("N", "")
        if "C" not in axes:
            values, axes = values[np.newaxis], "C" + axes
        return values.transpose([axes.index(axis) for axis in "CHW"]).astype(np.float64)

    def flat(self, planes: Array) -> Array:
        """Return planes (C, H, W) in the order in which the tensor's memory holds them."""
        have = "CHW" if "C" in self.axes else "HW"
        values = planes if "C" in self.axes else planes[0]
        axes = self.axes.replace("N", "")
        return values.transpose([have.index(axis) for axis in axes]).ravel()


def readings(shape: tuple[int, ...]) -> Iterator[Reading]:
    """Yield the ways to read a shape as pictures, the usual ones first.

    >>> [reading.axes for reading in readings((1, 3, 8, 8))][:2]
    ['NCHW', 'NCWH']
    """
    as_it_is = [axes for axes in _orders(len(shape)) if _fits(axes, shape)]
    yield from (Reading(axes) for axes in as_it_is)
    for axes in as_it_is:
        yield from _reshaped(axes, shape)


def is_picture(shape: tuple[int, ...]) -> bool:
    """Say whether a shape can be read as pictures of three colours, or a batch of grey ones."""
    found = next(readings(shape), None)
    if found is None or "C" not in found.axes:
        return False
    return len(shape) == 4 or shape[found.axes.index("C")] != 1


def _orders(dimensions: int) -> list[str]:
    """Return orders of axes, the usual ones first: channels first, then last, H before W."""
    letters = {4: "NCHW", 3: "CHW", 2: "HW"}.get(dimensions)
    if letters is None:
        return []
    every = ["".join(order) for order in permutations(letters)]
    kept = [axes for axes in every if "N" not in axes or axes[0] == "N"]
    usual = ["NCHW", "NHWC", "CHW", "HWC", "NCWH", "NWHC", "CWH", "WHC"]
    return sorted(kept, key=lambda axes: usual.index(axes) if axes in usual else len(usual))


def _fits(axes: str, shape: tuple[int, ...]) -> bool:
    sizes = dict(zip(axes, shape, strict=True))
    return sizes.get("C", 1) in _CHANNELS and min(sizes["H"], sizes["W"]) >= _SHORTEST


def _reshaped(axes: str, shape: tuple[int, ...]) -> Iterator[Reading]:
    """Yield the reading of memory that has the other common order than the shape says."""
    sizes = dict(zip(axes, shape, strict=True))
    if sizes.get("C", 1) == 1:
        return
    other = {"NCHW": "NHWC", "NHWC": "NCHW", "CHW": "HWC", "HWC": "CHW"}.get(axes)
    if other is not None:
        yield Reading(other, tuple(sizes[axis] for axis in other))
