"""Cosine of the angle between both: sum r c / sqrt(sum r^2 * sum c^2). -1 to 1.

1 where both are equal; NaN where one of two different arrays is zero everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.compare.block import Block, Sum
from divergence.compare.metrics.metric import Metric, total


def partial(block: Block) -> tuple[Sum, Sum, Sum]:
    """Return the block's sums of r c, r^2 and c^2."""
    return block.product, block.reference_squared, block.candidate_squared


def finish(partials: Sequence[tuple[Sum, Sum, Sum]]) -> float:
    """Return the quotient of the sums, kept within its range."""
    product, reference, candidate = map(total, zip(*partials, strict=True))
    norms = np.sqrt(reference) * np.sqrt(candidate)
    return float(np.clip(product / norms, -1, 1)) if norms else np.nan


COSINE = Metric("cosine", 1.0, partial, finish)
