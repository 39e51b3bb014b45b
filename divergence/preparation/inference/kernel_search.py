"""Which kernel: every member of the bank is tried, and the first exact one is taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from divergence.preparation.inference.kernels import Kernel, bank
from divergence.preparation.inference.recipe import Parts, Trial
from divergence.preparation.inference.scene import Scene

# Rounding to bytes moves values by up to half a level, cutting off by one: a kernel further
# away than this is not the right one with its result rounded.
_ROUNDING_LEVELS = 1.0
# Distances that count as equal, in grey levels: then the earlier trial is taken.
_AS_GOOD, _ZERO = 1.02, 1e-5


def best_kernel(scene: Scene, parts: Parts, first: tuple[Kernel, ...] = ()) -> Trial | None:
    """Return the trial of `parts` with the kernel that comes nearest.

    first: kernels that are preferred where several are exact.
    """
    if not parts.resizes:
        return confirmed(scene, scene.attempt(replace(parts, kernel=None)))
    best: Trial | None = None
    for trial in _trials(scene, parts, first):
        best = nearest(best, trial)
        if trial.certain:
            sure = confirmed(scene, trial)
            if sure is not None and sure.certain:
                return sure
    return confirmed(scene, best)


def confirmed(scene: Scene, trial: Trial | None) -> Trial | None:
    """Return a trial judged by every pixel."""
    return None if trial is None else scene.attempt(trial.parts, full=True)


def nearest(*trials: Trial | None) -> Trial | None:
    """Return the trial with the least distance, the first of those that are as good."""
    found = [trial for trial in trials if trial is not None]
    if not found:
        return None
    least = min(found, key=lambda trial: (not trial.exact, trial.rms))
    return next(
        t for t in found if t.exact == least.exact and t.rms <= _AS_GOOD * least.rms + _ZERO
    )


def _trials(scene: Scene, parts: Parts, first: tuple[Kernel, ...]) -> Iterator[Trial]:
    near: list[Kernel] = []
    kernels = [*first, *(kernel for kernel in bank() if kernel not in first)]
    for kernel in kernels:
        if kernel not in first and kernel.rounding in ("nearest", "down"):
            continue
        trial = scene.attempt(replace(parts, kernel=kernel))
        if trial is None:
            continue
        if kernel.rounding == "none" and trial.rms < _ROUNDING_LEVELS:
            near.append(kernel)
        yield trial
    for kernel in near:
        for rounding in ("nearest", "down"):
            trial = scene.attempt(replace(parts, kernel=replace(kernel, rounding=rounding)))
            if trial is not None:
                yield trial
