"""How far a correct implementation in this precision may be off at one place.

The measure is the reference's own rounding: how far it is from the same program in float64. A
correct candidate rounds elsewhere, so it is off by another amount of the same size; the multiple
says by how many times more. Three things make the reference's error too small a measure, and it
is bounded from below for each:

- It may be exact by chance, or have nothing to round. It is taken as one unit in the last place
  of the tensor's greatest value at least: the sums behind small values round at that size.
- A few elements may all be close by luck. Of n independent errors the greatest is k times
  smaller than usual with a probability of about k**-n.
- A sum of many terms depends on the order of summation. PyTorch adds in pairs, ONNX Runtime in
  one row for each of the eight lanes of a register: see `summation_growth`.

The greatest and the root mean square error are both judged and the worse multiple counts: the
first sees a fault of few elements, the second one of many below a few ill-conditioned ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from divergence.compare.block import Block, Sum
from divergence.compare.dtypes import coarser, epsilon
from divergence.compare.lineage import Lineage
from divergence.compare.measure import comparable
from divergence.compare.metrics.metric import greatest, total
from divergence.compare.stream import map_blocks
from divergence.records import Alignment, Array, Floor

# The greatest multiple of the bounded reference error that is still rounding.
MULTIPLE = 10.0
# One pair in so many may be called divergent for the luck of few elements.
LUCK = 1000


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far values are from the exact ones, over the positions that are finite on both sides.

    max_abs, rmse: of the error. peak, rms: of the exact values. All 0 where no position counts.
    """

    max_abs: float = 0.0
    rmse: float = 0.0
    peak: float = 0.0
    rms: float = 0.0
    count: int = 0


def floor_of(
    reference: Array,
    candidate: Array,
    exact: Array,
    alignment: Alignment | None = None,
    lineage: Lineage | None = None,
) -> Floor:
    """Return both sides' errors against `exact`, the reference's value in float64.

    lineage: what the values came through; by default nothing but their own types. Where the
    candidate's precision is coarser than the reference's, the reference's error is scaled by
    the ratio of both steps, and the floor is an estimate.

    >>> exact = np.array([1.0, 2.0, 4.0])
    >>> floor_of(exact.astype("f4"), (exact + 1e-6).astype("f4"), exact).multiple > 1
    True

    Raises:
        AlignmentError: the values cannot be subtracted.
    """
    reference, candidate = comparable(reference, candidate, alignment)
    exact, reference = comparable(exact, reference)
    ours, theirs = deviation(exact, reference), deviation(exact, candidate)
    lineage = lineage or Lineage()
    types = (reference.dtype, candidate.dtype)
    step = max(epsilon(coarser(*types)), lineage.step)
    coarsening = max(1.0, step / (epsilon(reference.dtype) or step or 1.0))
    slack = coarsening * luck(ours.count)
    growth = summation_growth(lineage.terms)
    return Floor(
        reference_max_abs=ours.max_abs,
        candidate_max_abs=theirs.max_abs,
        multiple=max(
            _multiple(theirs.max_abs, growth * max(slack * ours.max_abs, step * ours.peak)),
            _multiple(theirs.rmse, growth * max(slack * ours.rmse, step * ours.rms)),
        ),
        estimated=coarsening > 1,
    )


def luck(count: int) -> float:
    """Return how many times the error of `count` elements may be smaller by luck than usual.

    Not more than one in LUCK falls below that and a multiple of MULTIPLE besides. Errors of
    one tensor go together, so only half of the elements count as independent.

    >>> [round(luck(count), 1) for count in (1, 2, 4, 6, 1000)]
    [100.0, 100.0, 3.2, 1.0, 1.0]
    """
    independent = max(1.0, count / 2)
    return float(max(1.0, LUCK ** (1 / independent) / MULTIPLE))


def summation_growth(terms: int) -> float:
    """Return how much more than one rounding a sum of so many terms may be off.

    A row of n additions is off by about u * sqrt(n) of the sum of magnitudes, with u half a
    unit in the last place (Higham and Mary, A new approach to probabilistic rounding error
    analysis, SIAM J. Sci. Comput. 41, 2019). Eight partial sums of n / 8 terms each, which is
    what a vector register holds, come to 1 / 8 of that: sqrt(n) / 16 units. Measured with
    onnxruntime 1.32: ReduceMean of 65,536 terms 5 to 16 units (16 by the rule), a GroupNorm over
    2,097,152 terms 240 to 310 (90).

    >>> summation_growth(49), summation_growth(65_536)
    (1.0, 16.0)
    """
    return max(1.0, math.sqrt(terms) / 16)


def deviation(exact: Array, values: Array) -> Deviation:
    """Return how far `values` are from `exact`; both of one shape."""
    found = map_blocks(np.ravel(exact), np.ravel(values), _of_block)
    found = [part for part in found if part[0]]
    if not found:
        return Deviation()
    counts, errors, squared_errors, peaks, squares = zip(*found, strict=True)
    count = sum(counts)
    return Deviation(
        max_abs=greatest(errors),
        rmse=float(np.sqrt(total(squared_errors) / count)),
        peak=greatest(peaks),
        rms=float(np.sqrt(total(squares) / count)),
        count=count,
    )


def _of_block(block: Block) -> tuple[int, float, Sum, float, Sum]:
    if not block.counts.finite:
        return 0, 0.0, 0.0, 0.0, 0.0
    peak = float(max(block.reference64.max(), -block.reference64.min()))
    error = 0.0 if block.equal else float(block.error[block.worst])
    return block.counts.finite, error, block.error_squared, peak, block.reference_squared


def _multiple(error: float, bound: float) -> float:
    if not error:
        return 0.0
    return error / bound if bound else math.inf
