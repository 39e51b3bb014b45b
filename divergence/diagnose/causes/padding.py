"""attribute.padding: a convolution or pooling with other pads, strides or dilations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from divergence.diagnose.edits import set_attributes
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Region, Suspect
from divergence.records import Evidence, Site

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.padding"

WINDOWED = frozenset({"AveragePool", "Conv", "ConvTranspose", "FusedConv", "LpPool", "MaxPool"})

# What GridSample takes for values outside of the picture.
OUTSIDE = ("zeros", "border", "reflection")


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Compare geometry attributes of the windowed ops of both sides."""
    sampled = [h for node in suspect.region.node("GridSample") for h in _outside(node)]
    nodes = suspect.region.node(*WINDOWED)
    if sampled or not nodes:
        return sampled or "no node of the segment slides a window"
    sites = [s for s in suspect.region.reference.sites if _geometry(s, 1)]
    if not sites:
        return "the reference's segment slides no window"
    before = _zeros_before(suspect.region)
    hypotheses = [
        h
        for node in nodes
        for site in sites
        for h in _differences(node, site, before.get(site.name, []))
    ]
    return hypotheses or "pads, strides and dilations are the reference's"


def _outside(node: NodeProto) -> Iterator[Hypothesis]:
    """Yield the other values that a sampling may take outside of its picture."""
    name, found = node.name or node.output[0], attribute(node, "padding_mode", "zeros")
    for mode in OUTSIDE:
        if mode != found:
            yield Hypothesis(
                edit=set_attributes(
                    node.output[0], {"padding_mode": mode}, f"let {name} pad by {mode}"
                ),
                explanation=f"{node.op_type} {name} has padding_mode {found} instead of {mode}",
                evidence=(Evidence(f"padding_mode ({name})", mode, found),),
                remedy=f"Set padding_mode={mode} at {name}.",
                parameters={"padding_mode": [mode, found]},
            )


def _zeros_before(region: Region) -> Mapping[str, list[int]]:
    """Return the zeros that a padding of its own puts around what a window slides over.

    As ONNX has pads: before each spatial axis, then behind each. Where the file keeps the
    padding as a node the window has no part in it.
    """
    if region.node("Pad"):
        return {}
    pads = region.sites("constant_pad_nd")
    found: dict[str, list[int]] = {}
    for site in region.reference.sites:
        inner = site.scope if site.kind == "module" else None  # a convolution that pads by itself
        made = next((p for p in pads if p.name in site.inputs or p.scope == inner), None)
        if made is not None and not made.attributes.get("value"):
            given = list(made.attributes.get("pad", ()))
            found[site.name] = given[-2::-2] + given[::-2]
    return found


def _differences(node: NodeProto, site: Site, zeros: Sequence[int]) -> Iterator[Hypothesis]:
    """Yield a hypothesis with all the attributes that differ.

    zeros: what the reference pads by itself before the window slides.
    """
    spatial = _spatial(node, site)
    wanted = dict(_geometry(site, spatial))
    if len(zeros) == 2 * spatial and "pads" in wanted:
        wanted["pads"] = [a + b for a, b in zip(wanted["pads"], zeros, strict=True)]
    found = {k: list(attribute(node, k, _default(k, spatial))) for k in wanted}
    changed = {k: v for k, v in wanted.items() if v != found[k]}
    if "pads" in changed and attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        changed["auto_pad"] = None
    groups = site.attributes.get("groups")
    if isinstance(groups, int) and groups != attribute(node, "group", 1) and "Conv" in node.op_type:
        changed["group"] = groups
        found["group"] = attribute(node, "group", 1)
    if not changed:
        return
    name = node.name or node.output[0]
    text = ", ".join(f"{k} {found.get(k)} instead of {v}" for k, v in changed.items() if v)
    yield Hypothesis(
        edit=set_attributes(
            node.output[0], changed, f"set {', '.join(changed)} of {name} as in the reference"
        ),
        explanation=f"{node.op_type} {name} has {text}",
        evidence=tuple(
            Evidence(f"{k} ({site.name}, {name})", v, found.get(k)) for k, v in changed.items() if v
        ),
        remedy=f"Set {', '.join(changed)} of {name}, or export {site.scope} again.",
        parameters={k: [v, found.get(k)] for k, v in changed.items() if v},
    )


def _spatial(node: NodeProto, site: Site) -> int:
    """Return the number of spatial axes."""
    kernel = attribute(node, "kernel_shape") or attribute(node, "strides")
    if kernel:
        return len(kernel)
    return len(site.shape) - 2 if site.shape and len(site.shape) > 2 else 2


def _default(name: str, spatial: int) -> list[int]:
    return [0] * 2 * spatial if name == "pads" else [1] * spatial


def _geometry(site: Site, spatial: int) -> Mapping[str, Any]:
    """Return ONNX attributes from those of a PyTorch convolution or pooling."""
    given = site.attributes
    geometry: dict[str, Any] = {}
    for ours, theirs in (("stride", "strides"), ("dilation", "dilations")):
        value = _spread(given.get(ours), spatial)
        if value:
            geometry[theirs] = value
    padding = _spread(given.get("padding"), spatial)
    if padding is not None:
        geometry["pads"] = padding * 2
    if len(given.get("pads", ())) == 2 * spatial:  # of an ONNX file, on both ends of each axis
        geometry["pads"] = list(given["pads"])
    return geometry if "strides" in geometry else {}


def _spread(value: Any, spatial: int) -> list[int] | None:
    """Return one number for each spatial axis; None for "same", "valid" and nothing at all."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value] * spatial
    if isinstance(value, list | tuple) and value and all(isinstance(v, int) for v in value):
        return list(value) * spatial if len(value) == 1 else list(value)
    return None
