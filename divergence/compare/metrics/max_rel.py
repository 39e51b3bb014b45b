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
    relative = block.relative
    highest = float(np.fmax.reduce(relative, initial=np.nan))  # 0/0 is NaN, which fmax passes over
    if not np.isinf(highest):
        places = np.flatnonzero(relative == highest)
    else:
        places = np.flatnonzero(block.reference64)
    quotients = block.error[places] / np.abs(block.reference64[places])
    return float(np.max(quotients, initial=0.0)) if places.size else np.nan


def finish(partials: Sequence[float]) -> float:
    """Return the greatest of all."""
    return greatest(partials)


MAX_REL = Metric("max_rel", 0.0, partial, finish)
