"""attribute.resize: another interpolation, coordinate or rounding mode, or antialias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from divergence.diagnose.causes.padding import OUTSIDE
from divergence.diagnose.edits import set_attributes
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence, Site

if TYPE_CHECKING:
    from onnx import NodeProto

CAUSE = "attribute.resize"

MODES = ("nearest", "linear", "cubic")
COORDINATES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
NEAREST = ("floor", "round_prefer_floor", "ceil", "round_prefer_ceil")
# Modes of ONNX GridSample, those of opset 16 and of 20: the runtime refuses what it does not know.
SAMPLINGS = ("bilinear", "linear", "nearest", "bicubic", "cubic")
# Defaults of ONNX Resize, opset 11 and later. PyTorch's bicubic has coefficient -0.75 as well,
# with antialias (as Pillow) -0.5.
DEFAULTS: Mapping[str, Any] = {
    "mode": "nearest",
    "coordinate_transformation_mode": "half_pixel",
    "nearest_mode": "round_prefer_floor",
    "cubic_coeff_a": -0.75,
    "antialias": 0,
}
SAMPLED: Mapping[str, Any] = {"mode": "bilinear", "align_corners": 0, "padding_mode": "zeros"}


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Try the modes that a resize or a sampling has: one change first, then two, then three."""
    nodes = suspect.region.node("Resize", "Upsample", "GridSample")
    if not nodes:
        return "no node of the segment resizes"
    hypotheses = [_hypothesis(suspect, node, a) for node in nodes for a in _variants(node)]
    return sorted(hypotheses, key=lambda h: len(h.parameters))


def _variants(node: NodeProto) -> list[Mapping[str, Any]]:
    """Return every sensible set of modes that is not the node's own."""
    own = _modes(node)
    if node.op_type == "GridSample":
        values = product(SAMPLINGS, (0, 1), OUTSIDE)
        return _changes(own, [dict(zip(SAMPLED, each, strict=True)) for each in values])
    variants: list[Mapping[str, Any]] = []
    for mode, coordinates in product(MODES, COORDINATES):
        base = {"mode": mode, "coordinate_transformation_mode": coordinates}
        if mode == "nearest":
            variants += [{**base, "nearest_mode": rounding} for rounding in NEAREST]
            continue
        coefficients = (-0.75, -0.5) if mode == "cubic" else (None,)
        for coefficient, antialias in product(coefficients, (0, 1)):
            extra = {} if coefficient is None else {"cubic_coeff_a": coefficient}
            variants.append({**base, **extra, "antialias": antialias})
    return _changes(own, variants)


def _changes(
    own: Mapping[str, Any], variants: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return what each variant changes of a node's own modes, if anything."""
    changes = [{k: v for k, v in variant.items() if own[k] != v} for variant in variants]
    return [change for change in changes if change]


def _modes(node: NodeProto) -> Mapping[str, Any]:
    defaults = SAMPLED if node.op_type == "GridSample" else DEFAULTS
    return {name: attribute(node, name, default) for name, default in defaults.items()}


def _resizes(site: Site) -> bool:
    return any(word in site.op.lower() for word in ("upsample", "grid_sampler"))


def _hypothesis(suspect: Suspect, node: NodeProto, change: Mapping[str, Any]) -> Hypothesis:
    own, name = _modes(node), node.name or node.output[0]
    shown = ", ".join(f"{k} {own[k]} instead of {v}" for k, v in change.items())
    sites = ", ".join(s.name for s in suspect.region.reference.sites if _resizes(s))
    return Hypothesis(
        edit=set_attributes(
            node.output[0], change, f"set {', '.join(change)} of {name} as in the reference"
        ),
        explanation=f"the resize {name} has {shown}",
        evidence=tuple(
            Evidence(f"{k} ({sites or suspect.region.match.reference}, {name})", v, own[k])
            for k, v in change.items()
        ),
        remedy=f"Set {', '.join(f'{k}={v}' for k, v in change.items())} at {name}.",
        parameters={k: [v, own[k]] for k, v in change.items()},
    )
