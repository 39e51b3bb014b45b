"""Any other curve on the values behind the geometry: contrast, brightness, clipping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from divergence.preparation.inference.kernel_search import nearest
from divergence.preparation.inference.kernels import Kernel, bank
from divergence.preparation.inference.recipe import Parts, Trial
from divergence.preparation.inference.scene import Scene
from divergence.preparation.steps import Curve
from divergence.records import Array

# Every pixel of one byte value has to become one value, to within this many grey levels.
_ONE_VALUE = 0.6
# The points kept reproduce the curve to within this.
_ON_LINE = 0.51
# More points than this are no curve that a person wrote, but noise that happens to fit.
_MOST_POINTS = 24


def improve(scene: Scene, trial: Trial, first: tuple[Kernel, ...]) -> Trial:
    """Return the trial with a curve where the tensor is a function of the picture's bytes.

    Gain and offset are taken to be those that `scene.usual` names: a curve can stand for any.
    """
    del first  # a curve hides the kernel: all that resize bytes are tried below
    best = trial
    if scene.usual is None:
        return trial
    for parts in _shapes(scene.usual.parts, trial.parts):
        curve = _curve(scene, parts, trial.tone.order)
        if curve is not None:
            made = replace(parts, after=(*parts.after, curve))
            best = nearest(best, scene.attempt(made, full=True)) or best
        if best.exact:
            break
    return best


def _shapes(usual: Parts, found: Parts) -> Iterator[Parts]:
    """Yield the usual parts, then those found, with each kernel that makes bytes."""
    yield usual
    yield found
    for kernel in bank() if found.resizes else ():
        if kernel.rounding != "none":
            yield replace(found, kernel=kernel)


def _curve(scene: Scene, parts: Parts, order: tuple[int, ...]) -> Curve | None:
    """Return the curve behind the parts, None where the tensor is no function of their bytes."""
    made = scene.planes(parts.steps())
    if made is None or made.shape != scene.target.shape or scene.usual is None:
        return None
    tone = scene.usual.tone
    if sorted(order) == sorted(tone.order):
        tone = replace(tone, order=order)
    places, heights, spread = _table(made, tone.undo(scene.target))
    if spread > _ONE_VALUE or len(places) < 3:
        return None
    points = _line(places, heights) or _points(places, heights)
    return Curve(points) if len(points) <= _MOST_POINTS else None


def _table(made: Array, wanted: Array) -> tuple[Array, Array, float]:
    """Return byte values, what they become on average, and the greatest distance from that."""
    keys, values = np.rint(made).astype(np.int64).ravel(), wanted.ravel()
    if keys.min() < 0 or keys.max() > 255 or np.abs(made - np.rint(made)).max() > 1e-3:
        return np.empty(0), np.empty(0), float("inf")
    count = np.bincount(keys, minlength=256)
    total = np.bincount(keys, weights=values, minlength=256)
    means = total / np.maximum(count, 1)
    used = np.flatnonzero(count)
    return used.astype(np.float64), means[used], float(np.abs(values - means[keys]).max())


def _line(places: Array, heights: Array) -> tuple[tuple[float, float], ...] | None:
    """Return the two points between which the table rises or falls straight, clipped outside."""
    low, high = round(float(heights.min()), 3), round(float(heights.max()), 3)
    inside = (heights > low + 0.5) & (heights < high - 0.5)
    if inside.sum() < 3:
        return None
    slope, base = np.polyfit(places[inside], heights[inside], 1)
    if abs(slope) < 1e-3:
        return None
    for digits in (2, 3, 6):
        # A person writes 1.3 and 20; the table only says so to within its rounding.
        tidy, offset = round(float(slope), digits), round(float(base), digits - 2)
        made = np.clip(tidy * places + offset, low, high)
        if float(np.abs(made - heights).max()) <= _ON_LINE:
            ends = sorted(((end - offset) / tidy, end) for end in (low, high))
            return tuple((round(place, 6), end) for place, end in ends)
    return None


def _points(places: Array, heights: Array) -> tuple[tuple[float, float], ...]:
    """Return the fewest points, found by halving, whose line stays near the table."""
    kept = {0, len(places) - 1}
    while len(kept) <= _MOST_POINTS:
        index = sorted(kept)
        line = np.interp(places, places[index], heights[index])
        distance = np.abs(line - heights)
        if float(distance.max()) <= _ON_LINE:
            break
        kept.add(int(distance.argmax()))
    return tuple((float(places[i]), float(round(heights[i], 3))) for i in sorted(kept))
