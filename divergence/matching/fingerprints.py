"""Fingerprints: what little of a value tells it from another, in any order of its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, permutations

import numpy as np
from numpy.typing import NDArray

from divergence.records import Array

Floats = NDArray[np.float64]

_PATTERNS = 24  # projections of a value: a distance is known to about 15 %
_LEVELS = np.array(
    [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0], np.float32
)  # in root mean squares of a value
_ORDERS = 6  # ways to name axes of equal size that are tried: three such axes
_MASKING = 1e9  # magnitude from which an element stands for minus infinity


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells a value from another in any order of its axes.

    axes: sizes above one, ascending. orders: axes above one as they stand ascending, one order for
    each way to name those of equal size. norm: root of the sum of squares. order_free: averages
    over all elements, which no permutation changes. projected: onto random signs, a row for each
    order; equal values have the same in the orders that name their axes alike.
    """

    axes: tuple[int, ...]
    orders: tuple[tuple[int, ...], ...]
    norm: float
    order_free: Floats
    projected: Floats


def fingerprint(value: Array) -> Fingerprint | None:
    """Return the fingerprint of a value; None where it has no numbers to tell it by.

    value: any shape; elements that are not finite, or that mask others, count as zero.
    """
    if value.dtype.kind in "OSUc" or value.size == 0:
        return None
    with np.errstate(over="ignore"):
        plain = np.asarray(value, np.float32)
    kept = np.abs(plain) < _MASKING  # not where it is NaN either
    if not kept.all():
        plain = np.where(kept, plain, np.float32(0.0))
    flat = plain.reshape(-1)
    norm = float(np.sqrt(np.einsum("i,i->", flat, flat, dtype=np.float64)))
    if norm == 0.0 or not math.isfinite(norm):
        return None
    flat = flat * np.float32(math.sqrt(plain.size) / norm)
    above = [np.maximum(flat - level, 0).mean(dtype=np.float64) for level in _LEVELS]
    order_free = np.array([*above, np.abs(flat).mean(dtype=np.float64)])
    orders = _orders(plain.shape)
    projected = np.stack([_projected(plain, order) for order in orders]) / norm
    axes = tuple(plain.shape[axis] for axis in orders[0])
    return Fingerprint(axes, orders, norm, order_free, projected)


@lru_cache(maxsize=4096)
def _orders(shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Return the axes above one by size, in each order of those of equal size, up to a bound."""
    kept = sorted((size, axis) for axis, size in enumerate(shape) if size > 1)
    sizes = [size for size, _ in kept]
    turned = (p for p in permutations(kept) if [size for size, _ in p] == sizes)
    return tuple(tuple(axis for _, axis in order) for order in islice(turned, _ORDERS))


def _projected(value: NDArray[np.float32], order: tuple[int, ...]) -> Floats:
    """Return the sums of a value times random signs, the largest axis summed first."""
    left = np.transpose(value, (*(a for a in range(value.ndim) if a not in order), *order))
    shape = [value.shape[axis] for axis in order] or [1]
    sums = left.reshape(-1, shape[-1]) @ _signs(shape[-1], len(shape))
    sums = sums.reshape(*shape[:-1], _PATTERNS)
    while sums.ndim > 1:
        sums = np.einsum("...ip,ip->...p", sums, _signs(sums.shape[-2], sums.ndim - 1))
    return np.asarray(sums, np.float64)


@lru_cache(maxsize=256)
def _signs(size: int, place: int) -> NDArray[np.float32]:
    """Return random signs, always the same, for an axis of this size at this place."""
    drawn = np.random.default_rng((size, place)).integers(0, 2, (size, _PATTERNS))
    return (2 * drawn - 1).astype(np.float32)


def distances(ours: Sequence[Fingerprint], theirs: Sequence[Fingerprint]) -> Floats:
    """Return how far values are, relative to the larger: 0 equal, about 1.4 unrelated.

    By projections where the sizes of their axes are the same; else a lower bound.
    """
    norms = np.array([a.norm for a in ours])[:, None], np.array([b.norm for b in theirs])
    larger = np.maximum(*norms)
    apart = 1 - np.minimum(*norms) / larger
    for level in range(len(_LEVELS) + 1):
        levels = ([p.order_free[level] for p in side] for side in (ours, theirs))
        np.maximum(apart, np.abs(np.subtract.outer(*levels)), out=apart)
    for axes in {a.axes for a in ours} & {b.axes for b in theirs}:
        rows = [k for k, a in enumerate(ours) if a.axes == axes]
        columns = [k for k, b in enumerate(theirs) if b.axes == axes]
        here = np.ix_(rows, columns)
        first = np.stack([ours[k].projected[0] * ours[k].norm for k in rows])
        turned = (np.stack(way) for way in zip(*(_ways(theirs[k]) for k in columns), strict=True))
        found = np.min([_root_mean(first, second) for second in turned], axis=0)
        apart[here] = np.maximum(apart[here], found / larger[here])
    return np.asarray(apart)


def _root_mean(first: Floats, second: Floats) -> Floats:
    """Return the root mean square difference of each row of two tables."""
    found = np.empty((len(first), len(second)))
    for k, row in enumerate(first):
        found[k] = np.sqrt(np.mean((second - row) ** 2, axis=1))
    return found


def _ways(taken: Fingerprint) -> Floats:
    return np.asarray(taken.projected * taken.norm)


def ways(ours: Fingerprint, theirs: Fingerprint) -> dict[tuple[int, ...], float]:
    """Return how far values are, relative to the larger, by the order of the second's axes.

    An order is that of its axes above one, in which they stand opposite the first's. Empty where
    the sizes of their axes are not the same.
    """
    if ours.axes != theirs.axes:
        return {}
    there = np.argsort(ours.orders[0])
    apart = _root_mean(_ways(ours)[:1], _ways(theirs))[0] / max(ours.norm, theirs.norm)
    return {
        tuple(order[k] for k in there): float(far)
        for order, far in zip(theirs.orders, apart, strict=True)
    }
