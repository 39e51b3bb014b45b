"""Mean absolute error: sum |r - c| / n over the n finite positions. 0 to inf."""

from __future__ import annotations

from collections.abc import Sequence

from divergence.compare.block import Block
from divergence.compare.metrics.metric import Metric, total


def partial(block: Block) -> tuple[float, int]:
    """Return the sum of the block's errors and how many they are."""
    return block.total, block.counts.finite


def finish(partials: Sequence[tuple[float, int]]) -> float:
    """Return the sum of all by their number."""
    errors, count = map(total, zip(*partials, strict=True))
    return float(errors / count)


MEAN_ABS = Metric("mean_abs", 0.0, partial, finish)
