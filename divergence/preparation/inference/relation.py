"""What maps one tensor onto another exactly: layout, turn, order of channels, gain, offset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.preparation.inference.readings import Reading, readings
from divergence.preparation.inference.tone import Tone, fit_tone
from divergence.preparation.steps.turn import TURNS, turn_planes
from divergence.records import Array

# Rounding steps of the coarser type, relative to the greatest value: an affine map in floating
# point takes a few, another order of the same operations a few more.
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
    generator = np.random.default_rng(0)
    for other in readings(candidate.shape):
        found = other.planes(candidate)
        for turn, turned in _turned(planes):
            if found.shape != turned.shape:
                continue
            flat, wanted = turned.reshape(len(turned), -1), found.reshape(len(found), -1)
            places = generator.integers(0, flat.shape[1], _SAMPLES)
            if not _exact(fit_tone(wanted[:, places], flat[:, places]), flat, wanted, places):
                continue
            tone = fit_tone(wanted, flat)
            if _exact(tone, flat, wanted, slice(None), reference.dtype, candidate.dtype):
                return Relation(other, turn, tone)
    return None


def _turned(planes: Array) -> Iterator[tuple[str | None, Array]]:
    yield None, planes
    for turn in TURNS:
        # Rows and columns exchanged is a matter of layout, which is read first.
        yield turn, turn_planes(planes, turn)


def _exact(
    tone: Tone,
    made: Array,
    wanted: Array,
    places: Array | slice,
    *types: np.dtype[Any],
) -> bool:
    epsilon = max([float(np.finfo(t).eps) for t in types if t.kind == "f"], default=1e-3)
    made, wanted = made[:, places], wanted[:, places]
    if float(np.ptp(wanted)) == 0:
        return False
    bound = _STEPS * epsilon * (np.abs(wanted).max() + np.abs(tone.offset).max())
    return bool(np.abs(tone.apply(made) - wanted).max() <= bound)
