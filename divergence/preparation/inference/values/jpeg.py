"""Compressed as JPEG once more, the image itself or the resized picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from divergence.preparation.inference.kernel_search import best_kernel, confirmed, nearest
from divergence.preparation.inference.kernels import Kernel, bank
from divergence.preparation.inference.recipe import Parts, Trial
from divergence.preparation.inference.scene import Scene
from divergence.preparation.steps import Jpeg

# Compressing with the right quality takes nearly all of the distance away, with another some; more
# than so many grey levels left are not believed.
WORTH, LEFT_LEVELS = 0.85, 1.0
# Compression moves values by a few levels; where they are further off, it is something else.
_MOST_LEVELS = 25.0
_QUALITIES = (95, 85, 75, 60, 45, 30, 15)
_REACH = 6
_USUAL = tuple(range(95, 5, -5))
# Kernels that are tried along with each quality.
_KERNELS = 3
_Place = Callable[[Parts, int], Parts]


def _after(parts: Parts, quality: int) -> Parts:
    return replace(parts, after=(*parts.after, Jpeg(quality)))


def _before(parts: Parts, quality: int) -> Parts:
    return replace(parts, before=(*parts.before, Jpeg(quality)))


def improve(scene: Scene, trial: Trial, first: tuple[Kernel, ...]) -> Trial:
    """Return the trial with a compression where one brings it clearly nearer."""
    if trial.rms > _MOST_LEVELS:
        return trial
    best, shapes = trial, _shapes(scene, trial, first)
    # The kernel was found without the compression, and the quality with that kernel.
    for _ in range(2):
        for place in (_after, _before):
            best = nearest(best, _search(scene, shapes, place)) or best
            if best.exact:
                return best
        if best.rms > WORTH * trial.rms:
            return trial
        best = nearest(best, best_kernel(scene, best.parts, first)) or best
        if best.exact or best.parts.kernel in [shape.kernel for shape in shapes]:
            break
        shapes = [replace(trial.parts, kernel=best.parts.kernel)]
    return best if best.rms <= LEFT_LEVELS else trial


def _shapes(scene: Scene, trial: Trial, first: tuple[Kernel, ...]) -> list[Parts]:
    """Return the parts with the kernels that come nearest: compression hides which it was."""
    if not trial.parts.resizes:
        return [trial.parts]
    ranked: list[tuple[float, Kernel]] = []
    for kernel in bank():
        found = scene.attempt(replace(trial.parts, kernel=kernel))
        if found is not None and kernel.rounding == "bytes":
            ranked.append((found.rms, kernel))
    best = [kernel for _, kernel in sorted(ranked, key=lambda pair: pair[0])[:_KERNELS]]
    chosen = dict.fromkeys([*first, trial.parts.kernel, *best])
    return [replace(trial.parts, kernel=kernel) for kernel in chosen]


def _search(scene: Scene, shapes: list[Parts], place: _Place) -> Trial | None:
    """Return the best quality in one place: for each kernel the usual ones and those suggested."""
    best: Trial | None = None
    for parts in shapes:
        middle = _suggested(scene, parts, place)
        near = sorted(range(middle - _REACH, middle + _REACH + 1), key=lambda q: abs(q - middle))
        for quality in dict.fromkeys((*near, *_USUAL)):
            if not 1 <= quality <= 100:
                continue
            best = nearest(best, scene.attempt(place(parts, quality)))
            if best is not None and best.exact:
                return confirmed(scene, best)
    return confirmed(scene, best)


def _suggested(scene: Scene, parts: Parts, place: _Place) -> int:
    """Return the quality that moves values about as far as the tensor is off.

    With the right kernel, the tensor is as far from the uncompressed picture as the compressed
    one is, and that distance falls as the quality grows; not quite where the image was a JPEG
    before, hence the usual qualities are tried as well.
    """
    plain, trial = scene.planes(parts.steps()), scene.attempt(parts)
    if plain is None or trial is None:
        return _QUALITIES[0]
    found = [(quality, scene.planes(place(parts, quality).steps())) for quality in _QUALITIES]
    moved = [(float(np.sqrt(np.mean((p - plain) ** 2))), q) for q, p in found if p is not None]
    if not moved:
        return _QUALITIES[0]
    distances, qualities = zip(*sorted(moved), strict=True)
    return round(float(np.interp(trial.rms, distances, qualities)))
