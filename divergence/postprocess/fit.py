"""A straight line through the numbers of two sides."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from divergence.records import Array

# What is left, as a share of the spread, where a line fits.
_FITS = 0.03
# An offset must leave this many times less than a gain alone.
_WORTH = 5.0
# A line through fewer numbers fits whatever they are.
_FEWEST = {"gain": 2, "offset": 4}
_PLAIN = 1e-4
# Shifts that different conventions of pixels make, taken where they leave hardly more than the
# line that fits best, and where chance would hardly make them: they are so many standard errors
# from none, and so few from what is measured.
_SHIFTS = (-1.0, -0.5, 0.5, 1.0)
_HARDLY_MORE, _FAR, _CLOSE = 1.1, 8.0, 2.5
# Where more are at the ends than this share, they are no exceptions.
_MOST_CUT = 0.5


class Line(NamedTuple):
    """candidate = gain * reference + offset."""

    gain: float
    offset: float

    @property
    def plain(self) -> bool:
        """Whether the line changes nothing that matters."""
        return abs(self.gain - 1) <= _PLAIN and not self.offset

    @property
    def is_shift(self) -> bool:
        """Whether it is a shift by half pixels or whole ones, as people write."""
        return self.gain == 1 and self.offset in _SHIFTS

    def at(self, value: Array) -> Array:
        """Return the value on the line."""
        return np.asarray(value.astype(np.float64) * self.gain + self.offset)


def fit(reference: Array, candidate: Array) -> Line | None:
    """Return the line through both, without an offset where none is needed; None where none fits.

    >>> fit(np.arange(8.0), 2 * np.arange(8.0) + 1)
    Line(gain=2.0, offset=1.0)
    """
    a, b = (v.astype(np.float64).ravel() for v in (reference, candidate))
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return None
    free = _unbounded(b)
    a, b = a[free], b[free]
    spread = float(b.std()) if b.size else 0.0
    through_zero = _through_zero(a, b)
    shifted = _shifted(a, b)
    left = {line: _left(line, a, b) for line in (through_zero, shifted) if line is not None}
    best = min(left, key=lambda line: left[line], default=None)
    if best is None or left[best] > _FITS * spread or not spread:
        return None
    moved = _moved(a, b)
    if moved is not None and _left(moved, a, b) <= _HARDLY_MORE * left[best]:
        return moved
    if through_zero in left and left[through_zero] <= max(_WORTH * left[best], 1e-7 * spread):
        return through_zero
    return best


def _unbounded(values: Array) -> Array:
    """Return which elements stand at neither end, where several do: they may have been cut off."""
    low, high = values == values.min(initial=0.0), values == values.max(initial=0.0)
    cut = (low if low.sum() > 1 else False) | (high if high.sum() > 1 else np.zeros_like(high))
    return np.asarray(~cut) if cut.mean() < _MOST_CUT else np.ones_like(cut)


def _through_zero(a: Array, b: Array) -> Line | None:
    energy = float(a @ a)
    if len(a) < _FEWEST["gain"] or not energy:
        return None
    gain = float(a @ b) / energy
    return Line(gain, 0.0) if gain else None


def _shifted(a: Array, b: Array) -> Line | None:
    spread = a - a.mean()
    energy = float(spread @ spread)
    if len(a) < _FEWEST["offset"] or not energy:
        return None
    gain = float(spread @ (b - b.mean())) / energy
    return Line(gain, float(b.mean() - gain * a.mean())) if gain else None


def _moved(a: Array, b: Array) -> Line | None:
    """Return the shift that all share but for rounding; None where it could be chance."""
    offset, error = float(np.mean(b - a)), float((b - a).std()) / np.sqrt(len(a))
    near = min(_SHIFTS, key=lambda shift: abs(shift - offset))
    certain = _FAR * error <= abs(near)
    measured = abs(near - offset) <= _CLOSE * error + _PLAIN * abs(near)
    return Line(1.0, near) if certain and measured else None


def _left(line: Line, a: Array, b: Array) -> float:
    return float(np.sqrt(np.mean((line.at(a) - b) ** 2)))
