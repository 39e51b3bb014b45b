"""Where an operator that only moves elements takes each of them from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from divergence.matching.kinds import normal
from divergence.matching.steps import operator
from divergence.records import Site, Weight

Positions = NDArray[np.int64]
Shape = tuple[int, ...]

_SAMPLE: Final = 61  # positions that are followed: layouts that agree on all of them are one
_TRANSPOSING: Final = frozenset({"transpose", "t", "swapaxes", "numpy_t"})
_STRIDED: Final = frozenset({"movedim", "as_strided"})
_UNKNOWN: Final = frozenset({"channel_shuffle", "reorderinput", "reorderoutput"})
_PICKING: Final = frozenset({"gather", "index_select", "index"})  # any order, any element twice
_PARTS: Final = frozenset({"select", "unbind", "slice", "split", "split_with_sizes"})
_SHUFFLES: Final = frozenset({"pixel_shuffle", "pixel_unshuffle", "depthtospace", "spacetodepth"})


@lru_cache(maxsize=1024)
def sampled(count: int) -> Positions:
    """Return the flat positions that are followed in a value of `count` elements.

    Drawn at random, always the same: any regular step falls in with the period of some shape.
    """
    if count <= _SAMPLE:
        return np.arange(count, dtype=np.int64)
    return np.random.default_rng(0).integers(count, size=_SAMPLE, dtype=np.int64)


def permuted(positions: Positions, shape: Shape, order: Sequence[int]) -> Positions:
    """Return where flat positions of `value.transpose(order)` lie in a value of `shape`.

    >>> permuted(np.array([1]), (2, 3), (1, 0))
    array([3])
    """
    if all(axis == place for place, axis in enumerate(order)):
        return positions
    spots = np.unravel_index(positions, tuple(shape[axis] for axis in order))
    back = [spots[list(order).index(axis)] for axis in range(len(order))]
    return np.asarray(np.ravel_multi_index(back, shape), dtype=np.int64)


def moved(
    site: Site, source: Site, positions: Positions, weights: Mapping[str, Weight]
) -> Positions | None:
    """Return where flat positions of a site lie in its source, of the same count of elements."""
    if site.alias_of or site.shape is None or source.shape is None:
        return positions
    name = normal(operator(site))
    if math.prod(site.shape) != math.prod(source.shape) or name in _UNKNOWN:
        return None
    if not _fits(site.attributes.get("size"), site.shape):
        return None  # a module of several steps tells of one of them
    if name in _STRIDED and max(len(_long(site.shape)), len(_long(source.shape))) > 1:
        return None
    if name in _PICKING:
        return taken(site, source, positions, weights)
    if name in _SHUFFLES:
        return _shuffled(site, source.shape, positions)
    order = permutation(site, len(source.shape))
    return positions if order is None else permuted(positions, source.shape, order)


def _fits(size: object, shape: Shape) -> bool:
    """Return whether a view of this size, where it has one, is of this shape."""
    if not isinstance(size, tuple) or len(size) != len(shape):
        return not isinstance(size, tuple)
    return all(asked in (-1, given) for asked, given in zip(size, shape, strict=True))


def _long(shape: Shape) -> Shape:
    """Return the sizes above one; a value with one such axis has one order of axes only."""
    return tuple(size for size in shape if size > 1)


def permutation(site: Site, axes: int) -> Shape | None:
    """Return the order of the source's axes in a transposed site; None for other operators."""
    name, given = normal(operator(site)), site.attributes
    if name == "permute" and isinstance(given.get("dims"), tuple):
        return tuple(int(axis) % axes for axis in given["dims"])
    if name not in _TRANSPOSING:
        return None
    if site.kind == "node":
        return tuple(given.get("perm", reversed(range(axes))))
    order = list(range(axes))
    first, second = given.get("dim0", 0), given.get("dim1", 1)
    if axes > 1:
        order[first], order[second] = order[second], order[first]
    return tuple(order)


def _shuffled(site: Site, shape: Shape, positions: Positions) -> Positions | None:
    """Follow positions through a shuffle between channels and space of four axes."""
    if len(shape) != 4 or site.shape is None:
        return None
    name, given = normal(operator(site)), site.attributes
    up = name in {"pixel_shuffle", "depthtospace"}
    small, large = (shape, site.shape) if up else (site.shape, shape)
    block = large[2] // max(1, small[2])
    batch, channels, height, width = small
    depth_first = name == "depthtospace" and given.get("mode", "DCR") != "CRD"
    split: Shape
    if depth_first or name == "spacetodepth":
        split = (batch, block, block, channels // block**2, height, width)
        to_large: Shape = (0, 3, 4, 1, 5, 2)
    else:
        split = (batch, channels // block**2, block, block, height, width)
        to_large = (0, 1, 4, 2, 5, 3)
    if up:
        return permuted(positions, split, to_large)
    back = tuple(int(axis) for axis in np.argsort(to_large))
    return permuted(positions, tuple(split[axis] for axis in to_large), back)


def taken(
    site: Site, source: Site, positions: Positions, weights: Mapping[str, Weight]
) -> Positions | None:
    """Return where flat positions of a slice, a split or a selection lie in their source.

    None for other operators, and where indices are not known before a run.
    """
    if site.shape is None or source.shape is None:
        return None
    chosen = _chosen(site, source.shape, weights)
    if chosen is None:
        return None
    if len(source.shape) == 1:
        return np.asarray(chosen[0].reshape(-1)[positions], dtype=np.int64)
    if len(site.shape) < len(source.shape):  # selected axes are dropped
        kept: Shape = tuple(1 if a in chosen else n for a, n in enumerate(source.shape))
    else:
        kept = site.shape
    if math.prod(kept) != math.prod(site.shape) or len(kept) != len(source.shape):
        return None
    spots = list(np.unravel_index(positions, kept))
    for axis, index in chosen.items():
        if len(index) < kept[axis] or kept[axis] == 0:
            return None
        spots[axis] = index[spots[axis]]
    return np.asarray(np.ravel_multi_index(spots, source.shape, mode="clip"), dtype=np.int64)


def _chosen(site: Site, shape: Shape, weights: Mapping[str, Weight]) -> dict[int, Positions] | None:
    """Return the indices taken along each axis that an operator takes some of."""
    name, given = normal(operator(site)), site.attributes
    if site.kind == "node":
        constants = [weights[w].load().reshape(-1).astype(np.int64) for w in site.weights]
        return _chosen_onnx(name, site, shape, constants)
    if name not in _PARTS:  # a reduction's `dim` may be several
        return None
    axis = int(given.get("dim") or 0) % len(shape)
    part = int(site.name[site.name.rindex("[") + 1 : -1]) if site.name.endswith("]") else 0
    if name == "select":
        return {axis: _range(shape[axis], given.get("index", 0), None, 1)[:1]}
    if name == "unbind":
        return {axis: np.array([part])}
    if name == "slice":
        return {axis: _range(shape[axis], given.get("start"), given.get("end"), given.get("step"))}
    if name == "split" and isinstance(given.get("split_size"), int):
        start = part * given["split_size"]
        return {axis: np.arange(start, min(shape[axis], start + given["split_size"]))}
    if name == "split_with_sizes" and isinstance(given.get("split_sizes"), tuple):
        start = sum(given["split_sizes"][:part])
        return {axis: np.arange(start, start + given["split_sizes"][part])}
    return None


def _chosen_onnx(
    name: str, site: Site, shape: Shape, constants: Sequence[Positions]
) -> dict[int, Positions] | None:
    given = site.attributes
    axis = int(given.get("axis", 0)) % max(1, len(shape))
    part = int(given.get("divergence.output", 0))
    if name == "gather" and len(constants) == 1:
        return {axis: constants[0] % shape[axis]}
    if name == "split" and site.shape is not None:
        sizes = constants[0].tolist() if constants else list(given.get("split", ()))
        start = sum(sizes[:part]) if sizes else part * site.shape[axis]
        return {axis: np.arange(start, start + site.shape[axis])}
    if name == "slice" and len(constants) >= 2:
        starts, ends, *rest = (c.tolist() for c in constants)
        axes = rest[0] if rest else range(len(starts))
        steps = rest[1] if len(rest) > 1 else [1] * len(starts)
        parts = zip(axes, starts, ends, steps, strict=False)
        return {a % len(shape): _range(shape[a], s, e, step) for a, s, e, step in parts}
    return None


def _range(count: int, start: int | None, end: int | None, step: int | None) -> Positions:
    return np.arange(count, dtype=np.int64)[slice(start, end, step or 1)]
