"""attribute.pool: another ceil mode, padding counted in the mean, the greatest for the mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from divergence.diagnose.edits import set_attributes, set_operator
from divergence.diagnose.reading import attribute, settings
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.matching.steps import operator
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.pool"

# (ONNX attribute, default), each 0 or 1; PyTorch names them the same.
SWITCHES = (("ceil_mode", 0), ("count_include_pad", 0))

# What is made of the elements: operators over axes, over the whole picture, over windows.
KINDS = {
    "mean": ("ReduceMean", "GlobalAveragePool", "AveragePool"),
    "greatest": ("ReduceMax", "GlobalMaxPool", "MaxPool"),
    "least": ("ReduceMin",),
    "sum": ("ReduceSum",),
    "norm": ("ReduceL2", "GlobalLpPool", "LpPool"),
}
# How the names of ATen operators tell it; dimensions and prefixes are left out.
ATEN = {
    "mean": "mean",
    "avg_pool": "mean",
    "adaptive_avg_pool": "mean",
    "amax": "greatest",
    "max": "greatest",
    "max_pool": "greatest",
    "adaptive_max_pool": "greatest",
    "amin": "least",
    "min": "least",
    "sum": "sum",
    "norm": "norm",
    "linalg_vector_norm": "norm",
}


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Turn each switch of each pooling node over; take kind and size from the reference."""
    nodes = suspect.region.node("AveragePool", "MaxPool", "LpPool")
    found = [h for node in nodes for h in (*_switches(suspect, node), *_kernel(suspect, node))]
    return [*_kinds(suspect), *found] or "no node of the segment pools"


def _kinds(suspect: Suspect) -> Iterator[Hypothesis]:
    """Take the mean where the reference does and the node takes the greatest, and so on."""
    sites = suspect.region.reference.sites
    wanted = {_kind(operator(site)): site for site in sites}
    for kind, operators in KINDS.items():
        for node in suspect.region.node(*operators):
            name, form = node.name or node.output[0], operators.index(node.op_type)
            for want in wanted.keys() & (KINDS.keys() - {kind}):
                if form >= len(KINDS[want]):
                    continue
                op = KINDS[want][form]
                yield Hypothesis(
                    edit=set_operator(node.output[0], op, f"make {name} {op}"),
                    explanation=f"{name} takes the {kind} where the reference takes the {want}",
                    evidence=(Evidence(f"{wanted[want].name} against {name}", op, node.op_type),),
                    remedy=f"Make {name} {op}, or export again.",
                    parameters={"op": [op, node.op_type]},
                )


def _kind(aten: str) -> str:
    """Return the kind of a reduction by its ATen name; empty for any other operator."""
    return ATEN.get(aten.rstrip("d").rstrip("123"), "")


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
