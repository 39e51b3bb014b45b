"""weights.one: a `Gemm` takes a multiple of its weight or of its bias.

Y = alpha A B + beta C (ONNX operator documentation): another factor is another parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from divergence.diagnose.causes.weight import CAUSE
from divergence.diagnose.edits import set_attributes
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

__all__ = ["CAUSE", "propose"]

FACTORS = {"alpha": "weight", "beta": "bias"}


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Set each factor to the reference's, which is one unless it says otherwise."""
    found = [h for node in suspect.region.node("Gemm") for h in _others(suspect, node)]
    return found or "no Gemm of the segment takes a multiple of a parameter"


def _others(suspect: Suspect, node: NodeProto) -> Iterator[Hypothesis]:
    shown = node.name or node.output[0]
    for factor, parameter in FACTORS.items():
        given = {s.attributes.get(factor) for s in suspect.region.reference.sites}
        numbers = {1.0, *(float(n) for n in given if isinstance(n, int | float))}
        now = float(attribute(node, factor, 1.0))
        for wanted in sorted(numbers - {now}):
            yield Hypothesis(
                edit=set_attributes(
                    node.output[0], {factor: wanted}, f"set {factor} of {shown} to {wanted:.6g}"
                ),
                explanation=f"{shown} takes {now:.6g} times its {parameter}, not {wanted:.6g}",
                evidence=(Evidence(f"{factor} of {shown}", wanted, now),),
                remedy=f"Export again; {factor} of {shown} is not the reference's.",
                parameters={"attribute": factor, "reference": wanted, "candidate": now},
            )
