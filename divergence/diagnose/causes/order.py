"""structure.order: operands or slices in another order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TYPE_CHECKING

from divergence.diagnose.edits import Edit, reorder_inputs, swap_outputs
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "structure.order"

ORDERED = frozenset({"Concat", "Div", "MatMul", "Mod", "Pow", "Sub", "Where"})
# All orders of up to this many operands are tried: 4! - 1 = 23 runs of the segment.
MOST_PERMUTED = 4


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Put the operands of each node, and the slices of each split, into another order."""
    hypotheses = [h for node in suspect.region.nodes for h in (*_operands(node), *_slices(node))]
    return hypotheses or "no node of the segment depends on the order of its operands"


def _operands(node: NodeProto) -> Iterator[Hypothesis]:
    if node.op_type not in ORDERED or len(node.input) < 2:
        return
    own = tuple(range(len(node.input)))
    for order in _orders(own):
        listed = [node.input[i] for i in order]
        name = node.name or node.output[0]
        action = f"give {name} its operands as {', '.join(listed)}"
        yield _hypothesis(
            reorder_inputs(node.output[0], order, action),
            f"{node.op_type} {name} takes its operands in another order",
            Evidence(f"operands of {name}", listed, list(node.input)),
        )


def _slices(node: NodeProto) -> Iterator[Hypothesis]:
    if len(node.output) < 2 or node.op_type not in {"Split", "Unique", "SplitToSequence"}:
        return
    for order in _orders(tuple(range(len(node.output)))):
        listed = [node.output[i] for i in order]
        name = node.name or node.output[0]
        yield _hypothesis(
            swap_outputs(node.output[0], order, f"let {name} give {', '.join(listed)}"),
            f"the slices of {name} are used in another order",
            Evidence(f"slices of {name}", listed, list(node.output)),
        )


def _orders(own: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield other orders: all of a few, else each swap of two and the reverse."""
    if len(own) <= MOST_PERMUTED:
        yield from (order for order in permutations(own) if order != own)
        return
    yield own[::-1]
    for i in own:
        for j in own[i + 1 :]:
            swapped = list(own)
            swapped[i], swapped[j] = own[j], own[i]
            yield tuple(swapped)


def _hypothesis(edit: Edit, explanation: str, evidence: Evidence) -> Hypothesis:
    return Hypothesis(
        edit=edit,
        explanation=explanation,
        evidence=(evidence,),
        remedy="Export again; the order of the operands is not the reference's.",
    )
