"""In which layout a site holds the content of its node, and how one layout becomes another.

A layout is known by where it finds a few positions: each transposition between the node's
first site and this one is followed back for the same flat positions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from divergence.matching.graph import Graph, operator
from divergence.matching.kinds import normal
from divergence.records import Alignment, Site

Positions = NDArray[np.int64]

_SAMPLE = 61  # positions followed: two layouts that agree on all of them are one
_AXES = 6  # above this, permutations are not searched


class Layouts:
    """Where each site of a graph finds the sampled positions in its node's first site."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[str, Positions | None] = {}

    def __call__(self, name: str) -> Positions | None:
        """Return the flat positions in the first site; None where the way there is unknown."""
        if name not in self._known:
            self._known[name] = self.trace(name, None)
        return self._known[name]

    def trace(self, name: str, positions: Positions | None) -> Positions | None:
        """Follow flat positions (by default the sampled ones) back to the node's first site."""
        graph = self._graph
        site = graph.sites[name]
        first = graph.nodes[graph.of[name]].sites[0]
        while True:
            if site.shape is None:
                return None
            if positions is None:
                positions = sampled(math.prod(site.shape))
            if site.name == first:
                return positions
            source = self._source(site)
            if source is None:
                return None
            positions = _back(site, source, positions)
            if positions is None:
                return None
            site = source

    def _source(self, site: Site) -> Site | None:
        graph = self._graph
        index = graph.of[site.name]
        names = (site.alias_of,) if site.alias_of else site.inputs
        same = [n for n in names if n is not None and graph.of.get(n) == index]
        if same:
            return graph.sites[same[0]]
        # computed twice: the other computation's own output
        return graph.sites[graph.nodes[index].sites[0]]


def sampled(count: int) -> Positions:
    """Return the flat positions that are followed in a value of `count` elements."""
    golden = 0.6180339887498949  # irrational steps meet no period of a shape
    return np.asarray([int(count * ((k * golden) % 1.0)) for k in range(_SAMPLE)], dtype=np.int64)


def alignment(
    wanted: Sequence[int], given: Sequence[int], ours: Positions | None, layouts: _Way
) -> Alignment | None:
    """Return what turns a value of shape `given` into one of shape `wanted` with our layout.

    ours: where the wanted layout finds the sampled positions. layouts: the same for the given
    value and any flat positions. None where nothing does, or the way is not known.
    """
    given, wanted = tuple(given), tuple(wanted)
    if ours is None or math.prod(given) != math.prod(wanted) or len(given) > _AXES:
        return None
    flat = sampled(math.prod(wanted))
    for order in _orders(len(given)):
        shape = tuple(given[axis] for axis in order)
        spots = np.unravel_index(flat, shape) if shape else ()
        source = [spots[order.index(axis)] for axis in range(len(given))]
        found = layouts(np.ravel_multi_index(source, given) if given else flat)
        if found is not None and np.array_equal(found, ours):
            return Alignment(
                permutation=order if order != tuple(range(len(given))) else None,
                reshape=wanted if shape != wanted else None,
            )
    return None


class _Way:
    """How flat positions of one site are followed to its node's first site."""

    def __init__(self, layouts: Layouts, name: str) -> None:
        self._layouts, self._name = layouts, name

    def __call__(self, positions: Positions) -> Positions | None:
        return self._layouts.trace(self._name, np.asarray(positions, dtype=np.int64))


def way(layouts: Layouts, name: str) -> _Way:
    """Return how flat positions of a site are followed to its node's first site."""
    return _Way(layouts, name)


def _orders(axes: int) -> list[tuple[int, ...]]:
    """Return all orders of the axes, those that move the fewest first."""
    return sorted(permutations(range(axes)), key=lambda p: sum(a != i for i, a in enumerate(p)))


def _back(site: Site, source: Site, positions: Positions) -> Positions | None:
    """Follow flat positions of a site back through its operator."""
    if site.alias_of or site.shape is None or source.shape is None:
        return positions
    if math.prod(site.shape) != math.prod(source.shape):
        return None
    order = _permutation(site, len(source.shape))
    if order is None:
        return positions if _keeps_order(site) else None
    spots = np.unravel_index(positions, tuple(source.shape[axis] for axis in order))
    back = [spots[order.index(axis)] for axis in range(len(order))]
    return np.asarray(np.ravel_multi_index(back, source.shape), dtype=np.int64)


def _permutation(site: Site, axes: int) -> tuple[int, ...] | None:
    """Return the order of the source's axes in a transposed site; None for other operators."""
    name, given = normal(operator(site)), site.attributes
    if name == "permute" and isinstance(given.get("dims"), tuple):
        return tuple(int(axis) % axes for axis in given["dims"])
    if name in {"transpose", "t", "swapaxes", "numpy_t"}:
        if site.kind == "node":
            return tuple(given.get("perm", reversed(range(axes))))
        order = list(range(axes))
        first, second = given.get("dim0", 0), given.get("dim1", 1)
        if axes > 1:
            order[first], order[second] = order[second], order[first]
        return tuple(order)
    return None


def _keeps_order(site: Site) -> bool:
    unknown = {
        "permute", "movedim", "as_strided", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
        "depthtospace", "spacetodepth", "reorderinput", "reorderoutput",
    }  # fmt: skip
    return normal(operator(site)) not in unknown
