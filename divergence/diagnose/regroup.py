"""Other ways to regroup a value: permutations of each Transpose, orders of each Reshape."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.edits import set_attributes, set_weight
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

# 5! - 1 = 119 runs of the segment at most; more axes than five are not permuted freely.
MOST_AXES = 5
# Two axes change places where one pair was mixed up.
SWAPPED = 2


def swaps(suspect: Suspect) -> Iterator[Hypothesis]:
    """Yield what undoes two axes, or two sizes, that changed places."""
    for hypothesis, moved in _all(suspect):
        if moved == SWAPPED:
            yield hypothesis


def others(suspect: Suspect) -> Iterator[Hypothesis]:
    """Yield every other order."""
    for hypothesis, moved in _all(suspect):
        if moved != SWAPPED:
            yield hypothesis


def _all(suspect: Suspect) -> Iterator[tuple[Hypothesis, int]]:
    for node in suspect.region.nodes:
        if node.op_type == "Transpose":
            yield from _transposes(node)
        elif node.op_type == "Reshape":
            yield from _reshapes(suspect, node)


def _transposes(node: NodeProto) -> Iterator[tuple[Hypothesis, int]]:
    own = attribute(node, "perm")
    if own is None or len(own) < 2:
        return
    name = node.name or node.output[0]
    for order, moved in _orders(tuple(own)):
        hypothesis = Hypothesis(
            edit=set_attributes(
                node.output[0], {"perm": list(order)}, f"permute {name} by {list(order)}"
            ),
            explanation=f"{name} permutes axes by {list(own)} instead of {list(order)}",
            evidence=(Evidence(f"perm of {name}", list(order), list(own)),),
            remedy=f"Set perm of {name} to {list(order)}, or export again.",
            parameters={"permutation": [list(order), list(own)]},
        )
        yield hypothesis, moved


def _reshapes(suspect: Suspect, node: NodeProto) -> Iterator[tuple[Hypothesis, int]]:
    own = suspect.region.constant(node.input[1])
    if own is None or own.size < 2:
        return
    name, sizes = node.name or node.output[0], own.tolist()
    for order, moved in _orders(tuple(sizes)):
        shape = np.asarray(order, np.int64)
        hypothesis = Hypothesis(
            edit=set_weight(node.output[0], 1, shape, f"reshape {name} to {list(order)}"),
            explanation=f"{name} groups by {sizes} instead of {list(order)}",
            evidence=(Evidence(f"shape given to {name}", list(order), sizes),),
            remedy=f"Reshape {name} to {list(order)}, or export again.",
            parameters={"reshape": [list(order), sizes]},
        )
        yield hypothesis, moved


def _orders(own: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield other orders with how many places changed: all of a few, else each swap of two."""
    if len(own) <= MOST_AXES:
        found = dict.fromkeys(permutations(own))
    else:
        found = dict.fromkeys(
            tuple(own[{i: j, j: i}.get(k, k)] for k in range(len(own)))
            for i in range(len(own))
            for j in range(i)
        )
    for order in found:
        moved = sum(a != b for a, b in zip(order, own, strict=True))
        if moved:
            yield order, moved
