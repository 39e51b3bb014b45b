"""How far two values are apart, as one figure, and how far rounding may bring them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from divergence.records import Array


@dataclass(frozen=True, slots=True)
class Bound:
    """The greatest errors that rounding explains: of one element, and root mean square."""

    max_abs: float
    rmse: float = math.inf

    def multiple(self, reference: Array, candidate: Array) -> float:
        """Return the error as a multiple of the bound; 1 and less is rounding.

        >>> Bound(0.5).multiple(np.zeros(2), np.ones(2))
        2.0
        """
        found = errors(reference, candidate)
        if found is None:
            return math.inf
        if not found.any():
            return 0.0
        return max(
            _over(float(found.max()), self.max_abs),
            _over(float(np.sqrt(np.mean(np.square(found)))), self.rmse),
        )


def distance(reference: Array, candidate: Array) -> float:
    """Return the greatest absolute difference; inf where one side alone is not finite.

    Shapes that differ are infinitely far; values that are not finite alike are equal.

    >>> distance(np.array([1.0, np.inf]), np.array([1.5, np.inf]))
    0.5
    """
    found = errors(reference, candidate)
    return math.inf if found is None else float(found.max(initial=0.0))


def errors(reference: Array, candidate: Array) -> Array | None:
    """Return |reference - candidate|; None where one side alone is not finite, or for shapes."""
    if reference.shape != candidate.shape:
        return None
    a, b = (np.asarray(x, dtype=np.float64) for x in (reference, candidate))
    with np.errstate(invalid="ignore"):
        apart: Array = np.abs(a - b)
    apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, apart)
    return apart if np.isfinite(apart).all() else None


def _over(error: float, bound: float) -> float:
    if not error:
        return 0.0
    return error / bound if bound else math.inf
