"""A power curve, before or after the geometry, on bytes or on floats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from divergence.preparation.inference.kernel_search import best_kernel, nearest
from divergence.preparation.inference.kernels import Kernel
from divergence.preparation.inference.recipe import Parts, Trial
from divergence.preparation.inference.scene import Scene
from divergence.preparation.inference.tone import fit_tone, levels
from divergence.preparation.steps import DType, Gamma

# A curve must leave no more than this share of the distance to be looked into, and no more than
# so many grey levels to be believed.
WORTH, LEFT_LEVELS = 0.7, 1.0
_Place = Callable[[Parts, float], Parts]
_LEAST, _MOST = 0.2, 5.0
_POWERS = np.exp(np.linspace(-1.4, 1.4, 57))


def improve(scene: Scene, trial: Trial, first: tuple[Kernel, ...]) -> Trial:
    """Return the trial with a gamma where one brings it clearly nearer."""
    power, distance = _estimate(scene, trial)
    if distance > WORTH * trial.rms:
        return trial
    best, plain = trial, trial.parts
    # The kernel was found without the curve, and the curve with that kernel: twice is enough.
    for _ in range(2):
        for place in _PLACES:
            best = nearest(best, _tuned(scene, plain, place, power)) or best
            if best.exact:
                return best
        if best.rms > WORTH * trial.rms:
            return trial
        best = nearest(best, best_kernel(scene, best.parts, first)) or best
        plain, power = replace(plain, kernel=best.parts.kernel), _power(best.parts)
    return best if best.rms <= LEFT_LEVELS else trial


def _power(parts: Parts) -> float:
    return next(s.power for s in (*parts.before, *parts.after) if isinstance(s, Gamma))


def _tuned(scene: Scene, parts: Parts, place: _Place, power: float) -> Trial | None:
    """Return the best power in one place, as a person may have written it where that is as good."""
    best = scene.attempt(place(parts, power))
    for width in (0.04, 0.01, 0.003):
        for factor in (float(np.exp(width)), float(np.exp(-width))):
            while best is not None and not best.exact:
                further = scene.attempt(place(parts, power * factor))
                if (
                    not _LEAST < power * factor < _MOST
                    or further is None
                    or further.rms >= best.rms
                ):
                    break
                power, best = power * factor, further
    if best is None:
        return None
    tidy = (scene.attempt(place(parts, value)) for value in _rounded(power))
    plain = next(
        (trial for trial in tidy if trial is not None and trial.rms <= best.rms * 1.02), best
    )
    return scene.attempt(plain.parts, full=True)


def _estimate(scene: Scene, trial: Trial) -> tuple[float, float]:
    """Return the power that fits best behind the geometry, and the distance in grey levels.

    A border does not count: its value was fitted without the curve.
    """
    edges = scene.planes(trial.parts.padded_with((0.0,)).steps())
    made = scene.planes(trial.parts.padded_with((255.0,)).steps())
    if made is None or edges is None or made.shape[0] != scene.target.shape[0]:
        return 1.0, float("inf")
    inside = (made == edges).all(axis=0)
    target, made = scene.target[:, inside], made[:, inside]
    stride = max(1, made.shape[1] // 10_000)
    target, made = target[:, ::stride], made[:, ::stride]
    share = np.clip(made, 0, 255) / 255

    def distance(power: float) -> float:
        curved = 255 * share**power
        tone = fit_tone(target, curved)
        return float(np.sqrt(np.mean(levels(target - tone.apply(curved), tone) ** 2)))

    best = min(_POWERS, key=distance)
    for width in (0.03, 0.01, 0.003, 0.001):
        best = min((best * np.exp(width * k) for k in range(-3, 4)), key=distance)
    return float(best), distance(float(best))


def _rounded(power: float) -> list[float]:
    """Return the numbers that a person may have written for this power, the shortest first."""
    tried = [round(power, 1), round(1 / round(1 / power, 1), 9) if power < 10 else power]
    tried += [round(power, 2), round(1 / round(1 / power, 2), 9), round(power, 3)]
    near = [value for value in tried if value > 0 and abs(value / power - 1) < 0.02]
    return list(dict.fromkeys(near)) or [power]


def _after(parts: Parts, power: float) -> Parts:
    return replace(parts, after=(*parts.after, Gamma(power)))


def _after_as_floats(parts: Parts, power: float) -> Parts:
    return replace(parts, after=(*parts.after, DType("float32"), Gamma(power)))


def _before(parts: Parts, power: float) -> Parts:
    return replace(parts, before=(*parts.before, Gamma(power)))


def _before_as_floats(parts: Parts, power: float) -> Parts:
    return replace(parts, before=(*parts.before, DType("float32"), Gamma(power)))


_PLACES = (_after, _after_as_floats, _before, _before_as_floats)
