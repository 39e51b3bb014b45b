"""What a metric is: a partial result for each block, and what they come to together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.compare.block import Block, Sum


@dataclass(frozen=True, slots=True)
class Metric:
    """A function of two arrays and nothing else, computed block by block.

    name: as in `records.Metrics`. equal: its value for arrays that are equal.
    partial: what one block contributes; it sees positions that are finite on both sides.
    finish: the value from the partials of all blocks, in order; NaN where it has no meaning.
    """

    name: str
    equal: float
    partial: Callable[[Block], Any]
    finish: Callable[[Sequence[Any]], float]


def total(partials: Sequence[Sum]) -> Sum:
    """Return the sum of the blocks' figures, without rounding on the way."""
    if all(isinstance(partial, float | int) for partial in partials):
        return math.fsum(partials)
    return np.longdouble(np.sum(np.array(partials, np.longdouble)))


def greatest(partials: Sequence[float]) -> float:
    """Return the greatest of the blocks' figures, without those that have none (NaN)."""
    return max((partial for partial in partials if not math.isnan(partial)), default=math.nan)
