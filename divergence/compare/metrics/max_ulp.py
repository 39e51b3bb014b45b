"""Greatest distance in units in the last place of the coarser type: how many numbers lie between.

0 to 2 * (numbers of one sign); both zeros are the same number. Integers: the difference itself.
The bits of two floats of one sign, read as integers, differ by just that distance (B. Dawson,
Comparing Floating Point Numbers, 2012 edition); across zero it is the sum of both magnitudes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divergence.compare import compiled
from divergence.compare.block import Block
from divergence.compare.dtypes import DType, coarser, is_float
from divergence.compare.metrics.metric import Metric, greatest
from divergence.records import Array


def partial(block: Block) -> float:
    """Return the block's greatest distance."""
    if block.equal:
        return 0.0
    common = coarser(block.reference.dtype, block.candidate.dtype)
    if not is_float(common):
        return block.greatest
    # what is beyond a half's range becomes infinite there, the neighbour of its greatest number
    sides = (_bits(values, common) for values in (block.reference, block.candidate))
    return float(compiled.greatest_distance(*sides, np.iinfo(f"i{common.itemsize}").min))


def _bits(values: Array, common: DType) -> Array:
    """Return the numbers' bits in the common type as integers, not to be written."""
    bits = np.require(values.astype(common, copy=False), requirements="A").view(
        f"i{common.itemsize}"
    )
    bits.flags.writeable = False
    return bits


def finish(partials: Sequence[float]) -> float:
    """Return the greatest of all."""
    return greatest(partials)


MAX_ULP = Metric("max_ulp", 0.0, partial, finish)
