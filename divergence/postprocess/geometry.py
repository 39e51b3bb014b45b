"""Where a preparation puts the image within a model's input, and how to come back from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divergence.preparation.spec import Spec
from divergence.preparation.steps import Crop, Pad, Resize, Turn
from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Placement:
    """input = gain * image + offset, in pixels, for x and y. size: the input's height and width."""

    gain: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    size: tuple[int, int] = (0, 0)

    def undone(self, boxes: Array) -> Array:
        """Return corners (N, 4) in pixels of the input as corners in pixels of the image."""
        offset, gain = (np.array([*pair, *pair]) for pair in (self.offset, self.gain))
        return np.asarray((boxes - offset) / gain)


def placement(spec: Spec, height: int, width: int) -> Placement | None:
    """Return where a SPEC puts an image of this size; None where it turns it.

    >>> from divergence.preparation.spec import parse_spec
    >>> placement(parse_spec("[{resize: {longest: 320}}, {pad: {to: [320, 320]}}]"), 480, 640)
    Placement(gain=(0.5, 0.5), offset=(0.0, 40.0), size=(320, 320))
    """
    size, gain, offset = (height, width), np.ones(2), np.zeros(2)
    for step in spec.steps:
        if isinstance(step, Turn):
            return None
        if isinstance(step, Resize):
            new = step.size(*size)
            ratio = np.array([new[1] / size[1], new[0] / size[0]])
            gain, offset, size = gain * ratio, offset * ratio, new
        elif isinstance(step, Pad):
            top, left = step.offset(*size)
            offset, size = offset + np.array([left, top]), step.to
        elif isinstance(step, Crop):
            top, left = step.offset(*size)
            offset, size = offset - np.array([left, top]), step.window(*size)
    x, y = gain.tolist()
    return Placement((x, y), (float(offset[0]), float(offset[1])), size)


def letterboxed(image: tuple[int, int], size: tuple[int, int], at: str) -> Placement:
    """Return where a letterbox of `size` (height, width) puts an image of this size.

    at: center or top-left; "stretched" is no letterbox: the image fills the input.
    """
    if at == "stretched":
        return Placement((size[1] / image[1], size[0] / image[0]), (0.0, 0.0), size)
    ratio = min(size[0] / image[0], size[1] / image[1])
    if at == "top-left":
        return Placement((ratio, ratio), (0.0, 0.0), size)
    free = [size[1] - image[1] * ratio, size[0] - image[0] * ratio]
    return Placement((ratio, ratio), (free[0] / 2, free[1] / 2), size)
