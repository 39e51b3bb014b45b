"""Colours mixed with one another: made grey, more or less saturated, another colour space."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from divergence.preparation.inference.kernel_search import nearest
from divergence.preparation.inference.kernels import Kernel
from divergence.preparation.inference.recipe import Parts, Trial
from divergence.preparation.inference.scene import Scene
from divergence.preparation.steps import DType, Mix
from divergence.records import Array

# The mixture reproduces the tensor to within this, in grey levels: bytes are rounded.
_LEVELS = 0.6


def improve(scene: Scene, trial: Trial, first: tuple[Kernel, ...]) -> Trial:
    """Return the trial with a mixture of channels where one reproduces the tensor.

    Gain and offset are taken to be the usual ones: a mixture can stand for any.
    """
    del first
    if scene.usual is None or len(scene.target) != 3:
        return trial
    best = trial
    for parts in dict.fromkeys((scene.usual.parts, trial.parts)):
        step = _mixture(scene, parts)
        if step is None:
            continue
        for after in ((step,), (DType("float32"), step)):
            found = scene.attempt(replace(parts, after=(*parts.after, *after)), full=True)
            best = nearest(best, found) or best
    return best if best.rms <= _LEVELS else trial


def _mixture(scene: Scene, parts: Parts) -> Mix | None:
    """Return the least-squares mixture behind the parts, None where it is far off."""
    made = scene.planes(parts.steps())
    if made is None or made.shape != scene.target.shape or scene.usual is None:
        return None
    wanted = replace(scene.usual.tone, order=tuple(range(3))).undo(scene.target).reshape(3, -1)
    known = np.vstack([made.reshape(3, -1), np.ones(wanted.shape[1])])
    weights, *_ = np.linalg.lstsq(known.T, wanted.T, rcond=None)
    if float(np.sqrt(np.mean((weights.T @ known - wanted) ** 2))) > _LEVELS:
        return None
    matrix = _tidy(weights[:3].T)
    return Mix(
        tuple(tuple(float(v) for v in row) for row in matrix),
        tuple(float(round(v, 2)) for v in weights[3]),
    )


def _tidy(matrix: Array) -> Array:
    """Return weights to three places, as conversions between colour spaces are written."""
    return np.asarray(np.round(matrix, 3) + 0.0)
