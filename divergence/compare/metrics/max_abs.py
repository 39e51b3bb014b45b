"""Greatest absolute error: max |r - c|. 0 to inf, in the values' own unit."""

from __future__ import annotations

from collections.abc import Sequence

from divergence.compare.block import Block
from divergence.compare.metrics.metric import Metric, greatest


def partial(block: Block) -> float:
    """Return the block's greatest error."""
    return block.greatest


def finish(partials: Sequence[float]) -> float:
    """Return the greatest of all."""
    return greatest(partials)


MAX_ABS = Metric("max_abs", 0.0, partial, finish)
