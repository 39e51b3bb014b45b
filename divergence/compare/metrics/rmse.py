"""Root mean square error: sqrt(sum (r - c)^2 / n) over the n finite positions. 0 to inf."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.compare.block import Block, Sum
from divergence.compare.metrics.metric import Metric, total


def partial(block: Block) -> tuple[Sum, int]:
    """Return the sum of the block's squared errors and how many they are."""
    return block.error_squared, block.counts.finite


def finish(partials: Sequence[tuple[Sum, int]]) -> float:
    """Return the root of their mean."""
    squares, count = map(total, zip(*partials, strict=True))
    return float(np.sqrt(squares / count))


RMSE = Metric("rmse", 0.0, partial, finish)
