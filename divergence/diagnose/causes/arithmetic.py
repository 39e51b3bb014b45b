"""structure.missing_op: values are combined by another operation.

A number is combined otherwise only where the reference combines by the same number: behind a sum
or a product with any, a norm or a softmax may look right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isclose
from typing import TYPE_CHECKING

from divergence.diagnose.edits import set_operator
from divergence.diagnose.inner import BINARY
from divergence.diagnose.reading import scalar_operands, scalar_settings
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.matching.steps import operator
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "structure.missing_op"

# Numbers this near to each other are one, of which a file holds a rounded copy.
SAME = 1e-6


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Combine values by the operations of the reference's segment."""
    ops = (operator(site) for site in suspect.region.reference.sites)
    wanted = dict.fromkeys(BINARY[op] for op in ops if op in BINARY)
    numbers = list(_numbers(suspect))
    found = [
        Hypothesis(
            edit=set_operator(node.output[0], op, f"make {shown} an {op}"),
            explanation=f"{shown} is a {node.op_type} where the reference has an {op}",
            evidence=(Evidence(f"operator of {shown}", op, node.op_type),),
            remedy=f"Export again; {shown} combines its operands by another operation.",
            parameters={"op": op},
        )
        for node in suspect.region.node(*BINARY.values())
        for shown in [node.name or node.output[0]]
        for op in wanted
        if op != node.op_type and _knows(suspect, node, numbers)
    ]
    return found or "values are combined by the reference's operations"


def _numbers(suspect: Suspect) -> Iterator[float]:
    """Yield what the reference's segment combines values with, where that is one number."""
    yield from (number for _, _, number in scalar_settings(suspect))
    known = suspect.region.reference_weights
    for site in suspect.region.sites(*BINARY):
        for value in (known[name].load() for name in site.weights if name in known):
            if value.size == 1:
                yield float(value.reshape(()))


def _knows(suspect: Suspect, node: NodeProto, numbers: Sequence[float]) -> bool:
    """Whether the reference has the numbers that a node combines with."""
    return all(
        any(isclose(own, number, rel_tol=SAME) for number in numbers)
        for _, own in scalar_operands(suspect, node)
    )
