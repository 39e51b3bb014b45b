"""Strategy 5: values, by fingerprints taken on the way, where nothing else tells contents apart.

Values that only noise separates are near even where the noise is great, as long as every other
value is farther. So the nearest one counts only by how much farther all others are: behind a
real divergence, where nothing is near, values say nothing. What they say is less than a weight
or a name says, and enough where those are tied.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from divergence.matching.fingerprints import Fingerprint, Floats, distances
from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.sides import Sides
from divergence.matching.unblocked import DOMAIN

BY_VALUES = "values"
_LEAST = 4  # elements that tell values apart
_NEAR = 0.3  # relative distance beyond which values say nothing
_FEW = 2.0  # how many times farther the next value is before the nearest one counts
_STRENGTH = 3.0  # at most: less than a weight says, more than the order of calls
_FLOOR = 1e-5  # relative distance below which all values are equally near

Layouts = list[tuple[int, Fingerprint]]  # a node, and the fingerprint of one of its layouts


def hints(sides: Sides) -> Iterator[Hint]:
    """Yield hints for values that are nearer to each other than to any other one."""
    ours = _by_size(sides.reference, sides.prints[0])
    theirs = _by_size(sides.candidate, sides.prints[1])
    for size, left in ours.items():
        if left and theirs.get(size) and (size or _LEAST) >= _LEAST:
            yield from _nearest(left, theirs[size])


def _by_size(graph: Graph, prints: Mapping[str, Fingerprint]) -> dict[int | None, Layouts]:
    """Return the layouts of each node, one of each set of axes, by count of elements.

    ONNX Runtime's blocked values hold their elements in an order of their own.
    """
    groups: dict[int | None, Layouts] = defaultdict(list)
    for node in graph.nodes:
        names = [n for n in node.sites if n in prints and not graph.sites[n].op.startswith(DOMAIN)]
        apart = {prints[name].axes: prints[name] for name in reversed(names)}
        groups[node.size] += [(node.index, found) for found in apart.values()]
    return groups


def _nearest(left: Layouts, right: Layouts) -> Iterator[Hint]:
    table = np.maximum(distances([p for _, p in left], [p for _, p in right]), _FLOOR)
    rows, columns = [i for i, _ in left], [j for j, _ in right]
    rivals = np.minimum(_next(table, columns), _next(table.T, rows).T)
    near = (table <= _NEAR) & (table * _FEW <= rivals)
    for i, j in zip(*np.nonzero(near), strict=True):
        strength = min(_STRENGTH, float(np.log(rivals[i, j] / table[i, j])))
        yield Hint(rows[i], columns[j], strength, BY_VALUES)


def _next(table: Floats, nodes: Sequence[int]) -> Floats:
    """Return for each entry the least one of its row of another node, at most 1.

    1 is what unrelated values are apart, where there is no other.
    """
    names = np.asarray(nodes)
    first = table.argmin(axis=1)
    others = np.where(names == names[first][:, None], 1.0, table).min(axis=1, initial=1.0)
    least = np.minimum(table[np.arange(len(table)), first], 1.0)
    own = names == names[first][:, None]
    return np.asarray(np.where(own, others[:, None], least[:, None]))
