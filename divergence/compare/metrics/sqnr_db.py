"""Signal to quantisation noise ratio: 20 log10(|r| / |r - c|), norms of the whole arrays.

In decibels, -inf to inf: inf where both are equal, -inf where the reference is zero everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.compare.block import Block, Sum
from divergence.compare.metrics.metric import Metric, total


def partial(block: Block) -> tuple[Sum, Sum]:
    """Return the block's sums of r^2 and (r - c)^2."""
    return block.reference_squared, block.error_squared


def finish(partials: Sequence[tuple[Sum, Sum]]) -> float:
    """Return the ratio of the sums in decibels."""
    signal, noise = map(total, zip(*partials, strict=True))
    with np.errstate(divide="ignore"):
        return float(10 * (np.log10(signal) - np.log10(noise))) if signal or noise else np.inf


SQNR_DB = Metric("sqnr_db", np.inf, partial, finish)
