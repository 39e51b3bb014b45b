"""precision.reduced: part of the graph computes in float16, bfloat16 or 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.causes.weight import restorations
from divergence.diagnose.edits import Edit, pass_through, set_attributes, together
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "precision.reduced"

# Of a step: values are divided by the scale in float32 before they are rounded.
SLACK = 0.01


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Drop casts to a narrower type, quantisations with their dequantisations, stored integers."""
    casts = [node for node in suspect.region.node("Cast") if narrow(node)]
    pairs = _quantised(suspect)
    stored = list(restorations(suspect.region))
    if not casts and not pairs and not stored:
        return "no node of the segment reduces the precision"
    edits = [widened(node) for node in casts]
    edits += [_unquantised(dequantise, source) for dequantise, source in pairs]
    edits += stored
    kinds = sorted({narrow(node) for node in casts} | ({"int8"} if pairs or stored else set()))
    names = [node.name or node.output[0] for node in casts]
    names += [node.name or node.output[0] for node, _ in pairs]
    names += [value for edit in stored for value in edit.values]
    return [
        Hypothesis(
            edit=together(edits, f"keep float32 at {', '.join(names)}"),
            explanation=f"part of the segment computes in {', '.join(kinds)}",
            evidence=(Evidence(f"precision at {names[0]}", "float32", ", ".join(kinds)),),
            remedy=f"Keep {', '.join(names)} in float32 when the file is converted.",
            parameters={"precision": ["float32", kinds[0]], "nodes": names},
        )
    ]


def clips(suspect: Suspect) -> bool:
    """Whether a quantisation of the segment cuts values off: rounding is half a step at most."""
    for dequantise, source in _quantised(suspect):
        scale = suspect.region.constant(dequantise.input[1])
        before, after = (
            suspect.trial.run(value=source),
            suspect.trial.run(value=dequantise.output[0]),
        )
        if scale is None or before is None or after is None:
            return True
        error = np.abs(before.astype(np.float64) - after.astype(np.float64)).max(initial=0.0)
        if error > (0.5 + SLACK) * float(np.abs(scale).max()):
            return True
    return False


def narrow(node: NodeProto) -> str:
    """Return the narrow type that a Cast goes to, "" for any other."""
    from onnx import TensorProto

    narrow = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16"}
    return narrow.get(attribute(node, "to", 0), "")


def widened(node: NodeProto) -> Edit:
    """Return what makes a Cast go to float32."""
    from onnx import TensorProto

    return set_attributes(
        node.output[0], {"to": TensorProto.FLOAT}, f"keep {node.name or node.output[0]} in float32"
    )


def _quantised(suspect: Suspect) -> list[tuple[NodeProto, str]]:
    """Return each dequantisation of a computed value with what was quantised."""
    made = {n.output[0]: n for n in suspect.region.nodes if n.op_type == "QuantizeLinear"}
    return [
        (node, made[node.input[0]].input[0])
        for node in suspect.region.node("DequantizeLinear")
        if node.input[0] in made
    ]


def _unquantised(node: NodeProto, source: str) -> Edit:
    return pass_through(node.output[0], source, "no quantisation")
