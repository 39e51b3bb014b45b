"""attribute.pool: another ceil mode, or padding counted in the mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from divergence.diagnose.edits import set_attributes
from divergence.diagnose.reading import attribute, settings
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.pool"

# (ONNX attribute, default), each 0 or 1; PyTorch names them the same.
SWITCHES = (("ceil_mode", 0), ("count_include_pad", 0))


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Turn each switch of each pooling node over, and the window's size to the reference's."""
    nodes = suspect.region.node("AveragePool", "MaxPool", "LpPool")
    if not nodes:
        return "no node of the segment pools"
    return [h for node in nodes for h in (*_switches(suspect, node), *_kernel(suspect, node))]


def _switches(suspect: Suspect, node: NodeProto) -> Iterator[Hypothesis]:
    name = node.name or node.output[0]
    for switch, default in SWITCHES:
        if switch == "count_include_pad" and node.op_type != "AveragePool":
            continue
        found = int(attribute(node, switch, default))
        source = next((n for n, v in settings(suspect, switch) if int(v) != found), switch)
        yield Hypothesis(
            edit=set_attributes(
                node.output[0], {switch: 1 - found}, f"set {switch} of {name} to {1 - found}"
            ),
            explanation=f"{node.op_type} {name} pools with {switch} {found} instead of {1 - found}",
            evidence=(Evidence(f"{source} against {name}", 1 - found, found),),
            remedy=f"Set {switch} of {name} to {1 - found}, or export again.",
            parameters={switch: [1 - found, found]},
        )


def _kernel(suspect: Suspect, node: NodeProto) -> Iterator[Hypothesis]:
    name = node.name or node.output[0]
    found = list(attribute(node, "kernel_shape", []))
    for source, value in settings(suspect, "kernel_size"):
        size = [value] * len(found) if isinstance(value, int) else list(value)
        if size == found:
            continue
        yield Hypothesis(
            edit=set_attributes(
                node.output[0], {"kernel_shape": size}, f"set kernel_shape of {name} to {size}"
            ),
            explanation=f"{node.op_type} {name} pools over {found} instead of {size}",
            evidence=(Evidence(f"{source} against {name}", size, found),),
            remedy=f"Set kernel_shape of {name} to {size}, or export again.",
            parameters={"kernel_shape": [size, found]},
        )
