"""Any other curve on the values behind the geometry: contrast, brightness, clipping."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divergence.preparation.inference.kernel_search import nearest
from divergence.preparation.inference.kernels import Kernel
from divergence.preparation.inference.recipe import Trial
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
    del first  # with another kernel the tensor would not be a function of these bytes
    tone = scene.usual
    made = scene.planes(trial.parts.steps())
    if tone is None or made is None or made.shape != scene.target.shape:
        return trial
    if tone.order != trial.tone.order:
        tone = replace(tone, order=trial.tone.order)
    places, heights, spread = _table(made, tone.undo(scene.target))
    if spread > _ONE_VALUE or len(places) < 3:
        return trial
    points = _points(places, heights)
    if len(points) > _MOST_POINTS:
        return trial
    parts = replace(trial.parts, after=(*trial.parts.after, Curve(points)))
    return nearest(trial, scene.attempt(parts, full=True)) or trial


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
