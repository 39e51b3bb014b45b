"""structure.missing_op: values are combined by another operation."""

from __future__ import annotations

from collections.abc import Sequence

from divergence.diagnose.edits import set_operator
from divergence.diagnose.inner import BINARY
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.matching.steps import operator
from divergence.records import Evidence

CAUSE = "structure.missing_op"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Combine values by the operations of the reference's segment."""
    ops = (operator(site) for site in suspect.region.reference.sites)
    wanted = dict.fromkeys(BINARY[op] for op in ops if op in BINARY)
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
        if op != node.op_type
    ]
    return found or "values are combined by the reference's operations"
