"""What maps one tensor onto another exactly: layout, turn, order of channels, gain, offset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from divergence.preparation.inference.precision import epsilon
from divergence.preparation.inference.readings import Reading, readings
from divergence.preparation.inference.tone import Tone, fit_tone
from divergence.preparation.steps.turn import TURNS, turn_planes
from divergence.records import Array

# Rounding steps of float32, relative to the greatest value: an affine map takes a few, another
# order of the same operations a few more. A coarser type rounds its result once.
_STEPS = 32
_SAMPLES = 4096


@dataclass(frozen=True, slots=True)
class Relation:
    """candidate = the reference's planes, turned, with `tone` applied, laid out as `reading`."""

    reading: Reading
    turn: str | None
    tone: Tone


def relate(reference: Array, candidate: Array, reading: Reading) -> Relation | None:
    """Return the simplest relation that is exact up to rounding, None where there is none.

    reading: that of the reference. Both are read in every way their shapes allow.
    """
    planes = reading.planes(reference)
    finest = _STEPS * float(np.finfo(np.float32).eps)
    bound = finest + max(epsilon(reference), epsilon(candidate))
    for other, turn in _ways(candidate.shape):
        tone = _tone(other.planes(candidate), _turned(planes, turn), bound)
        if tone is not None:
            return Relation(other, turn, tone)
    return None


def _ways(shape: tuple[int, ...]) -> Iterator[tuple[Reading, str | None]]:
    """Yield layouts before turns: rows and columns exchanged is a matter of layout."""
    every = list(readings(shape))
    for reading in every:
        yield reading, None
    for reading in every:
        for turn in TURNS:
            yield reading, turn


def _turned(planes: Array, turn: str | None) -> Array:
    return planes if turn is None else turn_planes(planes, turn)


def _tone(wanted: Array, made: Array, bound: float) -> Tone | None:
    """Return the tone from `made` to `wanted` if it is exact; a sample of pixels is asked first."""
    if wanted.shape != made.shape or float(np.ptp(wanted)) == 0:
        return None
    wanted, made = wanted.reshape(len(wanted), -1), made.reshape(len(made), -1)
    places = np.random.default_rng(0).integers(0, made.shape[1], _SAMPLES)
    sample = wanted[:, places], made[:, places]
    if not _exact(fit_tone(*sample), *sample, 100 * bound):
        return None
    tone = fit_tone(wanted, made)
    return tone if _exact(tone, wanted, made, bound) else None


def _exact(tone: Tone, wanted: Array, made: Array, bound: float) -> bool:
    scale = np.abs(wanted).max() + np.abs(tone.offset).max()
    return bool(np.abs(tone.apply(made) - wanted).max() <= bound * scale)
