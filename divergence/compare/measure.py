"""All metrics of one pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from divergence.compare import allowance
from divergence.compare.alignment import AlignmentError, align, cast
from divergence.compare.block import BLOCK, Block
from divergence.compare.counts import Counts
from divergence.compare.dtypes import is_float, is_number
from divergence.compare.metrics import METRICS
from divergence.compare.stream import map_blocks
from divergence.compare.tolerance import RTOLS, Tolerance
from divergence.records import Alignment, Array, Metrics


def measure(
    reference: Array,
    candidate: Array,
    alignment: Alignment | None = None,
    tolerance: Tolerance | None = None,
) -> Metrics:
    """Return how far `candidate`, aligned, is from `reference`.

    Values of any shape and number type are subtracted in float64, 64-bit integers as integers.
    NaN and infinities at the same places are equal. Nothing is broadcast: other shapes, and
    values that are no numbers, are `incomparable`. `violations` are counted where a tolerance
    is given.

    >>> measure(np.array([1, 2], np.uint8), np.array([2, 1], np.uint8)).max_abs
    1.0
    >>> measure(np.ones((1, 3)), np.ones((3, 1))).incomparable
    'shape (1, 3) against (3, 1)'
    """
    try:
        reference, candidate = comparable(reference, candidate, alignment)
    except AlignmentError as error:
        return _incomparable(np.size(reference), str(error))
    reference, candidate, axes = _as_they_lie(reference, candidate)
    shape = reference.shape
    reference, candidate = np.ravel(reference), np.ravel(candidate)
    if not _equal(reference, candidate):
        found = map_blocks(reference, candidate, _of_block, tolerance)
        metrics = _together(found, shape, tolerance)
    else:
        metrics = _of_equal(reference, shape, tolerance)
    return _turned_back(metrics, axes) if axes else metrics


def comparable(
    reference: Array, candidate: Array, alignment: Alignment | None = None
) -> tuple[Array, Array]:
    """Return both as real numbers of one shape, the candidate aligned.

    Complex numbers become pairs of real ones along a last axis, as in `torch.view_as_real`.

    Raises:
        AlignmentError: the two cannot be subtracted; the message says why.
    """
    reference = _as_real(cast(np.asarray(reference), alignment))
    candidate = _as_real(align(np.asarray(candidate), alignment))
    for value in (reference, candidate):
        if not is_number(value.dtype):
            raise AlignmentError(f"values of type {value.dtype} are no numbers")
    if reference.shape != candidate.shape:
        raise AlignmentError(f"shape {reference.shape} against {candidate.shape}")
    return reference, candidate


def _as_they_lie(reference: Array, candidate: Array) -> tuple[Array, Array, tuple[int, ...] | None]:
    """Return both with their axes in the order of memory, and that order where it is another one.

    No figure but the place of the greatest error depends on the order of elements, and to read
    transposed values in the order of their axes takes a copy, slower than all that follows.
    """
    strides = reference.strides
    moved = [axis for axis, size in enumerate(reference.shape) if size > 1]
    alike = all(strides[axis] == candidate.strides[axis] for axis in moved)
    if not alike or reference.flags.c_contiguous:
        return reference, candidate, None
    axes = tuple(sorted(range(reference.ndim), key=lambda axis: -strides[axis]))
    return reference.transpose(axes), candidate.transpose(axes), axes


def _turned_back(metrics: Metrics, axes: tuple[int, ...]) -> Metrics:
    """Return the metrics with the worst index in the order of the value's own axes."""
    if metrics.worst_index is None:
        return metrics
    places = dict(zip(axes, metrics.worst_index, strict=True))
    return replace(metrics, worst_index=tuple(places[axis] for axis in sorted(places)))


def _as_real(value: Array) -> Array:
    if value.dtype.kind == "c":
        return np.stack([value.real, value.imag], axis=-1)
    if value.dtype.isbuiltin != 1 and value.dtype.name in {"int2", "uint2", "int4", "uint4"}:
        return value.astype(np.int8)
    return value


def _equal(reference: Array, candidate: Array) -> bool:
    """Whether both are equal everywhere; quick to answer no, and NaN is one."""
    if reference.dtype != candidate.dtype:
        return not reference.size
    # The first few mostly tell.
    parts = chain((slice(0, 1024),), (slice(i, i + BLOCK) for i in range(0, reference.size, BLOCK)))
    return all(bool(np.all(reference[part] == candidate[part])) for part in parts)


def _of_equal(reference: Array, shape: tuple[int, ...], tolerance: Tolerance | None) -> Metrics:
    infinite = 0
    if is_float(reference.dtype):
        starts = range(0, reference.size, BLOCK)
        infinite = sum(int(np.count_nonzero(np.isinf(reference[i : i + BLOCK]))) for i in starts)
    return Metrics(
        **_all_equal(),
        mismatched=0,
        nonfinite=0,
        total=reference.size,
        worst_index=(0,) * len(shape) if reference.size else None,
        both_nonfinite=infinite,
        violations=None if tolerance is None else 0,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What is kept of one block: counts, each metric's partial, what tolerances it needs.

    worst: the greatest error, infinite where one side alone is not finite, and its first position.
    """

    counts: Counts
    worst: tuple[float, int] = (-1.0, 0)
    partials: tuple[Any, ...] = ()
    violations: int = 0
    needed_atol: tuple[float, ...] = ()


def _of_block(block: Block) -> _Found:
    worst = (-1.0, 0)
    if block.first_nonfinite is not None:
        worst = (np.inf, block.first_nonfinite)
    if not block.counts.finite:
        return _Found(block.counts, worst)
    worst = max(worst, (block.greatest, block.worst), key=itemgetter(0))
    partials = tuple(metric.partial(block) for metric in METRICS)
    if block.equal:
        return _Found(block.counts, worst, partials, needed_atol=(0.0,) * len(RTOLS))
    relations = block.relations
    return _Found(block.counts, worst, partials, relations.violations, relations.needed_atol)


def _together(
    found: Sequence[_Found], shape: tuple[int, ...], tolerance: Tolerance | None
) -> Metrics:
    counts = sum((block.counts for block in found), Counts())
    _, worst = max((block.worst for block in found), key=itemgetter(0))
    return Metrics(
        **_figures([block.partials for block in found if block.partials], counts),
        mismatched=counts.mismatched,
        nonfinite=counts.nonfinite,
        total=counts.total,
        worst_index=tuple(int(axis) for axis in np.unravel_index(worst, shape)),
        both_nonfinite=counts.both_nonfinite,
        violations=None
        if tolerance is None
        else sum(block.violations for block in found) + counts.nonfinite,
        needed_atol=allowance.together([b.needed_atol for b in found if b.needed_atol]),
    )


def _figures(partials: Sequence[tuple[Any, ...]], counts: Counts) -> dict[str, Any]:
    if not counts.mismatched:
        return _all_equal()
    if not counts.finite:
        return _no_meaning()
    columns = zip(METRICS, zip(*partials, strict=True), strict=True)
    return {metric.name: metric.finish(column) for metric, column in columns}


def _all_equal() -> dict[str, Any]:
    return {metric.name: metric.equal for metric in METRICS}


def _no_meaning() -> dict[str, Any]:
    return {metric.name: np.nan for metric in METRICS}


def _incomparable(size: int, reason: str) -> Metrics:
    return Metrics(
        **_no_meaning(),
        mismatched=size,
        nonfinite=0,
        total=size,
        worst_index=None,
        incomparable=reason,
    )
