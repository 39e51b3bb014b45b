"""In which layout each site holds its content, and how a layout becomes another."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import permutations
from typing import Final

import numpy as np

from divergence.matching.graph import Graph
from divergence.matching.kinds import RECURRENT, kind_of
from divergence.matching.positions import Positions, Shape, moved, permuted, sampled, taken
from divergence.records import Alignment, Site

_AXES: Final = 6  # above this many, permutations are not searched
_DEEP: Final = 4  # slices of slices that are followed

Follow = Callable[[Positions], Positions | None]


class Layouts:
    """Where each site of a graph finds its elements in the first site of its node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[str, Positions | None] = {}

    def of(self, name: str) -> Positions | None:
        """Return where the sampled positions lie in the node's first site; None if unknown."""
        if name not in self._known:
            shape = self.graph.sites[name].shape
            start = None if shape is None else sampled(math.prod(shape))
            self._known[name] = None if start is None else self.follow(name, start)
        return self._known[name]

    def follow(self, name: str, positions: Positions) -> Positions | None:
        """Return where flat positions of a site lie in the first site of its node."""
        graph, found = self.graph, positions
        site = graph.sites[name]
        first = self.first(graph.of[name])
        while site.name != first:
            source = self._same(site)
            if source is None:
                return None
            back = moved(site, source, found, graph.program.weights)
            if back is None:
                return None
            site, found = source, back
        return self._by_steps(site, found)

    def _by_steps(self, site: Site, positions: Positions) -> Positions:
        """Return where positions of a recurrent layer's result lie by step, row and direction.

        PyTorch may put rows first and puts the directions together; ONNX has them in between. One
        direction as it is inside of a layer (`lstm_layer`) has steps first whatever is asked for.
        """
        shape = site.shape
        if kind_of(site.op) != RECURRENT or site.op.endswith("_layer") or shape is None:
            return positions
        if site.attributes.get("batch_first") and len(shape) == 3 and "[" not in site.name:
            return moved_axes(positions, shape, (1, 0, 2))
        if site.kind == "node" and len(shape) == 4:
            return moved_axes(positions, shape, (0, 2, 1, 3))
        return positions

    def origins(self, index: int, positions: Positions) -> list[tuple[int, Positions]]:
        """Return the nodes that a node is a slice of, nearest first, with where it lies in each.

        positions: flat, in the node's first site. The node itself is the first entry.
        """
        graph, entries = self.graph, [(index, positions)]
        for _ in range(_DEEP):
            node = graph.nodes[index]
            name = self.first(index)
            if name is None or len(node.operands) != 1 or not graph.sites[name].inputs:
                break
            site = graph.sites[name]
            source = next((graph.sites[n] for n in site.inputs if n in graph.of), None)
            if source is None or not graph.nodes[graph.of[source.name]].sites:
                break
            found = taken(site, source, positions, graph.program.weights)
            found = None if found is None else self.follow(source.name, found)
            if found is None:
                break
            index, positions = graph.of[source.name], found
            entries.append((index, positions))
        return entries

    def first(self, index: int) -> str | None:
        """Return the name of the first site of a node."""
        sites = self.graph.nodes[index].sites
        return sites[0] if sites else None

    def _same(self, site: Site) -> Site | None:
        """Return the site of the same node that this one is another layout of."""
        graph = self.graph
        index = graph.of[site.name]
        names = (site.alias_of,) if site.alias_of else site.inputs
        same = [n for n in names if n is not None and graph.of.get(n) == index]
        if same:
            return graph.sites[same[0]]
        first = self.first(index)  # computed twice: the other computation's own output
        return None if first is None else graph.sites[first]


def moved_axes(positions: Positions, shape: Shape, order: Shape) -> Positions:
    """Return flat positions of a value of `shape` as they lie once its axes stand in `order`."""
    places = np.unravel_index(positions, shape)
    moved_shape = tuple(shape[axis] for axis in order)
    return np.asarray(np.ravel_multi_index([places[axis] for axis in order], moved_shape))


def search(wanted: Shape, given: Shape, ours: Positions | None, theirs: Follow) -> Alignment | None:
    """Return what makes a value of shape `given` one of shape `wanted` with the layout wanted.

    ours: where the wanted layout has the sampled positions. theirs: where flat positions of
    the given value lie, in the same terms. None where nothing fits or a way is not known.
    An alignment that changes nothing is `Alignment()`.
    """
    if ours is None or math.prod(given) != math.prod(wanted) or len(given) > _AXES:
        return None
    flat = sampled(math.prod(wanted))
    for order in _orders(given):
        found = theirs(permuted(flat, given, order))
        if found is None:
            return None
        if np.array_equal(found, ours):
            shape = tuple(given[axis] for axis in order)
            return Alignment(
                permutation=order if order != tuple(range(len(given))) else None,
                reshape=wanted if shape != wanted else None,
            )
    return None


@lru_cache(maxsize=1024)
def _orders(shape: Shape) -> list[Shape]:
    """Return the orders of axes that differ, those that move the fewest first.

    Axes of one element may stand anywhere; they stay where they are.
    """
    long = [axis for axis, size in enumerate(shape) if size != 1]
    orders = []
    for order in permutations(long):
        full, places = list(range(len(shape))), iter(order)
        for axis in long:
            full[axis] = next(places)
        orders.append(tuple(full))
    return sorted(orders, key=lambda p: sum(axis != i for i, axis in enumerate(p)))
