"""How far a correct implementation in this precision may be off at one place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divergence.compare.block import Block, Sum
from divergence.compare.dtypes import DType, coarser, epsilon
from divergence.compare.measure import comparable
from divergence.compare.metrics.metric import greatest, total
from divergence.compare.stream import map_blocks
from divergence.records import Alignment, Array, Floor

# The greatest multiple of the reference's own error that is still rounding.
MULTIPLE = 10.0


@dataclass(frozen=True, slots=True)
class Deviation:
    """How far one side is from the exact value, over the positions that are finite on both.

    max_abs, rmse: of the error; scale: greatest magnitude of the exact value; all 0 where no
    position is finite.
    """

    max_abs: float
    rmse: float
    scale: float
    count: int


def floor_of(
    reference: Array,
    candidate: Array,
    exact: Array,
    alignment: Alignment | None = None,
    precision: DType | None = None,
) -> Floor:
    """Return both sides' errors against `exact`, the reference's value in float64.

    precision: the coarsest type that the candidate's value went through, by default the coarser
    one of both sides' types. Where it is coarser than the reference's, the reference's error
    is scaled by the ratio of both epsilons and the floor is an estimate.

    Raises:
        AlignmentError: the values cannot be subtracted.
    """
    reference, candidate = comparable(reference, candidate, alignment)
    exact, reference = comparable(exact, reference)
    ours, theirs = deviation(exact, reference), deviation(exact, candidate)
    judged = precision or coarser(reference.dtype, candidate.dtype)
    step = epsilon(judged)
    growth = max(1.0, step / epsilon(reference.dtype)) if epsilon(reference.dtype) else 1.0
    allowed = max(ours.max_abs * growth, step * ours.scale)
    return Floor(
        reference_max_abs=ours.max_abs,
        candidate_max_abs=theirs.max_abs,
        multiple=_multiple(theirs.max_abs, allowed),
        estimated=growth > 1,
    )


def deviation(exact: Array, value: Array) -> Deviation:
    """Return how far `value` is from `exact`; both of one shape."""
    found = [part for part in map_blocks(np.ravel(exact), np.ravel(value), _of_block) if part[0]]
    if not found:
        return Deviation(0.0, 0.0, 0.0, 0)
    counts, errors, squares, scales = zip(*found, strict=True)
    mean = total(squares) / sum(counts)
    return Deviation(greatest(errors), float(np.sqrt(mean)), greatest(scales), sum(counts))


def _of_block(block: Block) -> tuple[int, float, Sum, float]:
    if not block.counts.finite:
        return 0, 0.0, 0.0, 0.0
    scale = float(max(block.reference64.max(), -block.reference64.min()))
    error = 0.0 if block.equal else float(block.error[block.worst])
    return block.counts.finite, error, block.error_squared, scale


def _multiple(error: float, allowed: float) -> float:
    if not error:
        return 0.0
    return error / allowed if allowed else float("inf")
