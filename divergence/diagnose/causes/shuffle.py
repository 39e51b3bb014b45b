"""attribute.shuffle: depth-to-space in the other mode."""

from __future__ import annotations

from collections.abc import Sequence

from divergence.diagnose.edits import set_attributes
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

CAUSE = "attribute.shuffle"

# PyTorch's pixel_shuffle takes channels column-row-depth; ONNX's default is the other.
OTHER = {"DCR": "CRD", "CRD": "DCR"}


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Turn the mode of each DepthToSpace over."""
    nodes = suspect.region.node("DepthToSpace")
    if not nodes:
        return "no node of the segment is a DepthToSpace"
    hypotheses = []
    for node in nodes:
        name, found = node.name or node.output[0], attribute(node, "mode", "DCR")
        want = OTHER[found]
        hypotheses.append(
            Hypothesis(
                edit=set_attributes(
                    node.output[0], {"mode": want}, f"set mode of {name} to {want}"
                ),
                explanation=f"DepthToSpace {name} orders channels {found} instead of {want}",
                evidence=(Evidence(f"mode of {name}", want, found),),
                remedy=f"Set mode of {name} to {want}, or export again.",
                parameters={"mode": [want, found]},
            )
        )
    return hypotheses
