"""Greatest distance in units in the last place of the coarser type: how many numbers lie between.

0 to 2 * (numbers of one sign); both zeros are the same number. Integers: the difference itself.
The bits of two floats of one sign, read as integers, differ by just that distance (B. Dawson,
Comparing Floating Point Numbers, 2012 edition); across zero it is the sum of both magnitudes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from divergence.compare.block import Block
from divergence.compare.dtypes import coarser, is_float
from divergence.compare.metrics.metric import Metric, greatest

Bits = NDArray[np.signedinteger]


def partial(block: Block) -> float:
    """Return the block's greatest distance."""
    if block.equal:
        return 0.0
    common = coarser(block.reference.dtype, block.candidate.dtype)
    if not is_float(common):
        return float(block.error[block.worst])
    integer = np.dtype(f"i{common.itemsize}")
    # what is beyond a half's range becomes infinite there, the neighbour of its greatest number
    reference = block.reference.astype(common, copy=False).view(integer)
    candidate = block.candidate.astype(common, copy=False).view(integer)
    return _greatest_distance(block, reference, candidate)


def _greatest_distance(block: Block, reference: Bits, candidate: Bits) -> float:
    signs = block.scratch("signs", reference.dtype)
    np.bitwise_xor(reference, candidate, out=signs)
    distance = block.scratch("distance", reference.dtype)
    np.subtract(reference, candidate, out=distance)
    across = 0
    if signs.min() < 0:
        opposite = np.flatnonzero(signs < 0)
        across = _greatest_across_zero(reference[opposite], candidate[opposite])
        distance[opposite] = 0
    return float(max(int(distance.max()), -int(distance.min()), across))


def _greatest_across_zero(reference: Bits, candidate: Bits) -> int:
    unsigned = np.dtype(f"u{reference.dtype.itemsize}")
    magnitude = np.iinfo(reference.dtype).max  # all bits but the sign
    sums = (reference & magnitude).view(unsigned) + (candidate & magnitude).view(unsigned)
    return int(sums.max())


def finish(partials: Sequence[float]) -> float:
    """Return the greatest of all."""
    return greatest(partials)


MAX_ULP = Metric("max_ulp", 0.0, partial, finish)
