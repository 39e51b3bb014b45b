"""Other ways to regroup a value: permutations of each Transpose, orders of each Reshape.

A regrouping may also lack its permutation, and axes that are split in another order are permuted
otherwise as well: both are put right at once, since neither alone brings a value nearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.builder import Builder, Place, insert
from divergence.diagnose.edits import set_attributes, set_weight, together
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


def lacking(suspect: Suspect) -> Iterator[Hypothesis]:
    """Yield permutations that may be missing before each value is reshaped, and at the end."""
    shapes = {site.name: site.shape for site in suspect.region.candidate.sites}
    shapes |= {name: value.shape for name, value in suspect.feeds.items()}
    for node in suspect.region.node("Reshape", "Flatten"):
        shape = shapes.get(node.input[0])
        if shape is not None:
            yield from _inserted(suspect, Place(node.output[0], operand=0), node.input[0], shape)
    end = suspect.region.match.candidate
    yield from _inserted(suspect, Place(end), end, suspect.produced.shape)


def _inserted(
    suspect: Suspect, place: Place, value: str, shape: tuple[int, ...]
) -> Iterator[Hypothesis]:
    """Yield every permutation of a value that moves axes longer than one, two of them first."""
    long = [axis for axis, size in enumerate(shape) if size > 1]
    if len(shape) > MOST_AXES:
        return
    orders = [(o, m) for o, m in _orders(tuple(range(len(shape)))) if _moves(o, long)]
    for order, _ in sorted(orders, key=lambda entry: entry[1]):
        if place.operand is None and tuple(shape[axis] for axis in order) != shape:
            continue  # the result's shape is right
        yield _transposed(place, value, order, suspect.dtype)


def _moves(order: tuple[int, ...], long: list[int]) -> bool:
    return [axis for axis in order if axis in long] != long


def _transposed(
    place: Place, value: str, order: tuple[int, ...], dtype: np.dtype[Any]
) -> Hypothesis:
    def make(builder: Builder, source: str) -> str:
        return builder.node("Transpose", source, perm=list(order))

    own = list(range(len(order)))
    return Hypothesis(
        edit=insert(place, make, dtype, f"permute {value} by {list(order)} {place}"),
        explanation=f"{value} is regrouped without being permuted by {list(order)} first",
        evidence=(Evidence(f"permutation of {value}", list(order), own),),
        remedy=f"Permute {value} by {list(order)} {place}, or export again.",
        parameters={"permutation": [list(order), own]},
    )


def split_otherwise(suspect: Suspect) -> Iterator[Hypothesis]:
    """Yield what splits two axes in the other order and lets the axes that follow be the same."""
    readers: dict[str, list[NodeProto]] = {}
    for node in suspect.region.node("Transpose"):
        readers.setdefault(node.input[0], []).append(node)
    for node in suspect.region.node("Reshape"):
        behind = readers.get(node.output[0], [])
        own = suspect.region.constant(node.input[1])
        if own is not None and behind:
            for i, j in combinations(range(own.size), 2):
                if own[i] != own[j]:
                    yield _both(node, behind, own.tolist(), (i, j))


def _both(
    node: NodeProto, behind: list[NodeProto], own: list[int], swapped: tuple[int, int]
) -> Hypothesis:
    i, j = swapped
    moved = {i: j, j: i}
    sizes = [own[moved.get(axis, axis)] for axis in range(len(own))]
    name = node.name or node.output[0]
    edits = [set_weight(node.output[0], 1, np.asarray(sizes, np.int64), f"reshape {name}")]
    for reader in behind:
        found = attribute(reader, "perm") or list(range(len(own)))[::-1]
        perm = [moved.get(axis, axis) for axis in found]
        edits.append(set_attributes(reader.output[0], {"perm": perm}, "permute"))
    return Hypothesis(
        edit=together(edits, f"reshape {name} to {sizes}, permuting what follows alike"),
        explanation=f"{name} groups by {own} instead of {sizes}",
        evidence=(Evidence(f"shape given to {name}", sizes, own),),
        remedy=f"Reshape {name} to {sizes} and permute what follows alike, or export again.",
        parameters={"reshape": [sizes, own]},
    )


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
