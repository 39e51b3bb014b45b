"""Greatest relative error: max |r - c| / |r| where r is not zero. 0 to inf.

NaN where the reference is zero everywhere and the candidate is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from divergence.compare.block import Block
from divergence.compare.metrics.metric import Metric, greatest


def partial(block: Block) -> float:
    """Return the block's greatest quotient, NaN where every reference is zero."""
    return 0.0 if block.equal else block.relations.greatest


def finish(partials: Sequence[float]) -> float:
    """Return the greatest of all."""
    return greatest(partials)


MAX_REL = Metric("max_rel", 0.0, partial, finish)
