"""attention.layout: heads, areas or tokens regrouped wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.edits import set_attributes, set_weight
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attention.layout"

# 5! - 1 = 119 runs of the segment at most; more axes than five are not permuted.
MOST_AXES = 5


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Try the other permutations of each Transpose and the other orders of each Reshape."""
    if not suspect.region.node("Transpose", "Reshape"):
        return "no node of the segment regroups a value"
    hypotheses = [
        h for node in suspect.region.nodes for h in (*_transposes(node), *_reshapes(suspect, node))
    ]
    return hypotheses or "the segment's values have too few axes to be regrouped"


def _transposes(node: NodeProto) -> Iterator[Hypothesis]:
    if node.op_type != "Transpose":
        return
    own = attribute(node, "perm")
    if own is None or not 2 <= len(own) <= MOST_AXES:
        return
    name = node.name or node.output[0]
    for order in sorted(permutations(range(len(own))), key=lambda o: _moved(o, tuple(own))):
        if list(order) == list(own):
            continue
        yield Hypothesis(
            edit=set_attributes(
                node.output[0], {"perm": list(order)}, f"permute {name} by {list(order)}"
            ),
            explanation=f"{name} permutes axes by {list(own)} instead of {list(order)}",
            evidence=(Evidence(f"perm of {name}", list(order), list(own)),),
            remedy=f"Set perm of {name} to {list(order)}, or export the attention again.",
            parameters={"permutation": [list(order), list(own)]},
        )


def _moved(order: tuple[int, ...], own: tuple[int, ...]) -> int:
    return sum(a != b for a, b in zip(order, own, strict=True))


def _reshapes(suspect: Suspect, node: NodeProto) -> Iterator[Hypothesis]:
    if node.op_type != "Reshape":
        return
    own = suspect.region.constant(node.input[1])
    if own is None or not 3 <= own.size <= MOST_AXES:
        return
    name = node.name or node.output[0]
    for order in dict.fromkeys(permutations(own.tolist())):
        if list(order) == own.tolist():
            continue
        yield Hypothesis(
            edit=set_weight(
                node.output[0], 1, np.asarray(order, np.int64), f"reshape {name} to {list(order)}"
            ),
            explanation=f"{name} groups by {own.tolist()} instead of {list(order)}",
            evidence=(Evidence(f"shape given to {name}", list(order), own.tolist()),),
            remedy=f"Reshape {name} to {list(order)}, or export the attention again.",
            parameters={"reshape": [list(order), own.tolist()]},
        )
