"""Greatest relative error: max |r - c| / |r| where r is not zero. 0 to inf.

NaN where the reference is zero everywhere and the candidate is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.compare.block import Block
from divergence.compare.metrics.metric import Metric, greatest


def partial(block: Block) -> float:
    """Return the block's greatest quotient, NaN where every reference is zero."""
    if block.equal:
        return 0.0
    quotient = block.scratch("quotient", np.float64)
    np.divide(block.error, block.reference64, out=quotient)
    np.abs(quotient, out=quotient)
    highest = float(np.fmax.reduce(quotient, initial=np.nan))  # 0/0 is NaN, which fmax passes over
    if highest == np.inf:
        nonzero = block.reference64 != 0
        highest = float(np.fmax.reduce(quotient[nonzero], initial=np.nan))
    return highest


def finish(partials: Sequence[float]) -> float:
    """Return the greatest of all."""
    return greatest(partials)


MAX_REL = Metric("max_rel", 0.0, partial, finish)
