"""How far a correct implementation in this precision may be off at one place.

The measure is the reference's own rounding: how far it is from the same program in float64. A
correct candidate rounds elsewhere, so it is off by another amount of the same size; the multiple
says by how many times more. Four things make the reference's error too small a measure, and it
is bounded from below for each:

- It may be exact by chance, or have nothing to round. It is taken as one unit in the last place
  of the tensor's greatest value at least: the sums behind small values round at that size.
- A few elements may all be close by luck. Of n independent errors the greatest is k times
  smaller than usual with a probability of about k**-n. Elements that an activation saturates
  have no error to speak of and do not count: see `slopes.effective`.
- A sum of many terms depends on the order of summation: see `lineage.summation_growth`.
- A small sigmoid may be made from large numbers: see `lineage.Lineage`.

The greatest and the root mean square error are both judged and the worse multiple counts: the
first sees a fault of few elements, the second one of many below a few ill-conditioned ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from divergence.compare.block import Block, Sum
from divergence.compare.dtypes import coarser, epsilon
from divergence.compare.lineage import Lineage
from divergence.compare.measure import comparable
from divergence.compare.metrics.metric import greatest, total
from divergence.compare.slopes import effective
from divergence.compare.stream import map_blocks
from divergence.records import Alignment, Array, Floor, Match, Measured, Program

# The greatest multiple of the bounded reference error that is still rounding. From clean pairs:
# timm networks with calibrated weights on a photograph, torch 2.14, onnxruntime 1.32; the
# TorchScript exporter, six of the first group by the dynamo exporter as well; "free" from the
# same input, "fed" what a segment adds by itself.
#
#                                    pairs   median   99 %   99.9 %   greatest
#     derived on, 19 networks, free   7652     0.92   1.67     2.41       2.51
#                              fed    5323     0.77   2.12     3.00       3.99
#     measured on, 10 others, free    3828     0.69   1.56     2.25       3.33
#                              fed    2321     1.00   3.17     3.89       4.70
#
# By trace, 13 networks nobody had looked at (timm and torchvision, 64 pixels; both exporters,
# opsets 13, 17 and 20, a batch of two, onnxslim, onnxsim, saved by the runtime), 54 files: at the
# outputs a median of 0.92 and 3.1 at most; of the greatest in each trace, free a median of 1.9
# and 7.3 at most (but for one inner pair, which counts for no verdict), fed 2.9 and 7.3.
#
# By trace, 22 more of timm (64 pixels, both exporters, 44 files): at the outputs a median of 0.76
# and 3.1 at most, fed 3.3 and 6.3. Those above 4 are convolutions of many terms and few places,
# where ONNX Runtime's rows of additions are longer: of 2,304 random terms at 4 by 4 places it is
# off by 4.1 units in the last place of the result's root mean square, PyTorch by 1.9. A bound for
# that would hide faults of 20 times what the reference rounds, so MULTIPLE leaves room for it.
# 40 networks of transformers (small, random weights, both exporters, 80 files): at the outputs
# 1.0 and 1.9 at most, fed 1.3 and 2.3.
#
# float16, 12 of them, converted and exported: the greatest fed a median of 1.6 and 4.3 at most.
# Quantised files are as far off as their ranges are wide: their rounding is undone instead, see
# `diagnose.unrounded`.
#
# 10 leaves a factor of 1.4 above the greatest of them, and of 2 below a fault of 20 times the
# floor, the faintest that is to be found.
MULTIPLE = 10.0
# One pair in so many may be called divergent for the luck of few elements, and where a trace has
# many such pairs, one trace in so many.
LUCK = 1000
PER_TRACE = 10

# What libraries write for minus infinity: -1e4 for float16, -1e9, or the type's least number.
# Behind any of them a softmax gives 0, as long as something in the row is not masked.
MASKED = -1e4


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


@dataclass(frozen=True, slots=True)
class Effect:
    """How far the file's own precision moves an output: at most, and root mean square."""

    max_abs: float
    rmse: float


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
    if lineage is not None and lineage.logits:
        exact = _unmasked(exact, candidate)
    ours, theirs = deviation(exact, reference), deviation(exact, candidate)
    lineage = lineage or Lineage()
    step = max(epsilon(coarser(reference.dtype, candidate.dtype)), lineage.step)
    coarsening = max(1.0, step / (epsilon(reference.dtype) or step or 1.0))
    count = min(float(ours.count), effective(lineage.activation, exact))
    slack = coarsening * luck(count, max(LUCK, PER_TRACE * lineage.alike))
    bound = lineage.growth * max(slack * ours.max_abs, step * max(ours.peak, lineage.size))
    bound_rmse = lineage.growth * max(slack * ours.rmse, step * max(ours.rms, lineage.size))
    return Floor(
        reference_max_abs=ours.max_abs,
        candidate_max_abs=theirs.max_abs,
        multiple=max(_multiple(theirs.max_abs, bound), _multiple(theirs.rmse, bound_rmse)),
        estimated=coarsening > 1,
        bound=bound,
        bound_rmse=bound_rmse,
        scale=ours.rms,
        peak=ours.peak,
    )


def _unmasked(exact: Array, candidate: Array) -> Array:
    """Return logits without those that both sides mask, whose size says nothing of the others'."""
    masked = (exact <= MASKED) & (candidate <= MASKED)
    return np.where(masked, np.nan, exact) if masked.any() else exact


def inherit(
    measured: Sequence[Measured], lineages: Mapping[Match, Lineage], reference: Program
) -> tuple[Measured, ...]:
    """Return the pairs of a free run with floors that know of long sums before them.

    What is computed from a long sum may be off by as large a part of its value as the sum,
    while the reference, which adds in another way, shows nothing of it.
    """
    value = {site.name: site.alias_of or site.name for site in reference.sites}
    own = {
        value[pair.match.reference]: pair.floor.bound_rmse / pair.floor.scale
        for pair in measured
        if pair.floor and pair.floor.scale and lineages[pair.match].growth > 1
    }
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for site in reference.sites:
        if site.alias_of is None:
            before[site.name] = max((after.get(name, 0.0) for name in site.inputs), default=0.0)
            after[site.name] = max(before[site.name], own.get(site.name, 0.0))
    return tuple(_widened(pair, before[value[pair.match.reference]]) for pair in measured)


def _widened(pair: Measured, share: float) -> Measured:
    """Let the error be that share of the value, by root mean squares."""
    floor = pair.floor
    if floor is None or not floor.bound_rmse or floor.bound_rmse >= share * floor.scale:
        return pair
    grown = share * floor.scale / floor.bound_rmse
    wider = replace(
        floor,
        bound=floor.bound * grown,
        bound_rmse=floor.bound_rmse * grown,
        multiple=floor.multiple / grown,
    )
    return replace(pair, floor=wider)


def widened(pair: Measured, effect: Effect | None) -> Measured:
    """Let the floor be at least what the candidate's own precision was measured to do."""
    floor = pair.floor
    if floor is None or effect is None or not math.isfinite(effect.max_abs):
        return pair
    bound, bound_rmse = max(floor.bound, effect.max_abs), max(floor.bound_rmse, effect.rmse)
    grown = [
        new / old for new, old in ((bound, floor.bound), (bound_rmse, floor.bound_rmse)) if old
    ]
    wider = replace(
        floor,
        bound=bound,
        bound_rmse=bound_rmse,
        multiple=floor.multiple / min(grown, default=1.0),
        estimated=True,
    )
    return replace(pair, floor=wider)


def luck(count: float, chance: float = LUCK) -> float:
    """Return how many times the error of `count` elements may be smaller by luck than usual.

    Not more than one in `chance` falls below that and a multiple of MULTIPLE besides. Errors of
    one tensor go together, so only half of the elements count as independent.

    >>> [round(luck(count), 1) for count in (1, 2, 4, 6, 1000)]
    [100.0, 100.0, 3.2, 1.0, 1.0]
    """
    independent = max(1.0, count / 2)
    return float(max(1.0, chance ** (1 / independent) / MULTIPLE))


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
    return (
        block.counts.finite,
        block.greatest,
        block.error_squared,
        block.peak,
        block.reference_squared,
    )


def _multiple(error: float, bound: float) -> float:
    if not error:
        return 0.0
    return error / bound if bound else math.inf
