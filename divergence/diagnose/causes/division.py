"""integer.division: quotients or remainders of negative integers are rounded otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from divergence.diagnose.builder import Builder, Place, insert
from divergence.diagnose.edits import Edit, set_attributes
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "integer.division"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Round quotients down instead of towards zero, and take the other remainder."""
    if suspect.produced.dtype.kind not in "iu" and not _integers(suspect):
        return "the segment has no integers"
    nodes = suspect.region.node("Div", "Mod")
    if not nodes:
        return "no node of the segment divides"
    return [_quotient(suspect, n) if n.op_type == "Div" else _remainder(n) for n in nodes]


def _integers(suspect: Suspect) -> bool:
    return any(value.dtype.kind in "iu" for value in suspect.feeds.values())


def _quotient(suspect: Suspect, node: NodeProto) -> Hypothesis:
    first, second = node.input[0], node.input[1]

    def down(builder: Builder, _: str) -> str:
        # a - (a mod b) is a multiple of b, and ONNX's Mod takes the sign of the divisor.
        whole = builder.node("Sub", first, builder.node("Mod", first, second))
        return builder.node("Div", whole, second)

    edit = insert(
        Place(node.output[0]),
        down,
        suspect.produced.dtype,
        f"round the quotient {_name(node)} down",
    )
    return _hypothesis(node, edit, "rounded towards zero", "rounded down")


def _remainder(node: NodeProto) -> Hypothesis:
    other = 1 - int(attribute(node, "fmod", 0))
    edit = set_attributes(node.output[0], {"fmod": other}, f"set fmod of {_name(node)} to {other}")
    words = ("with the sign of the divisor", "with the sign of the dividend")
    return _hypothesis(node, edit, words[1 - other], words[other])


def _hypothesis(node: NodeProto, edit: Edit, found: str, wanted: str) -> Hypothesis:
    return Hypothesis(
        edit=edit,
        explanation=f"the result of {_name(node)} is {found} instead of {wanted}",
        evidence=(Evidence(f"integers at {_name(node)}", wanted, found),),
        remedy=f"Write the division of {_name(node)} so that both sides round alike.",
        parameters={"rounding": [wanted, found]},
    )


def _name(node: NodeProto) -> str:
    return node.name or node.output[0]
