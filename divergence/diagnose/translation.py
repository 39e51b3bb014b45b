"""An ONNX file as the reference, in the words of ATen: those are what detectors read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from divergence.diagnose.reading import attribute
from divergence.records import Program, Site, Weight

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_OPS: Final = {
    "Add": "add",
    "Attention": "scaled_dot_product_attention",
    "AveragePool": "avg_pool",
    "BatchNormalization": "batch_norm",
    "Clip": "clamp",
    "Concat": "cat",
    "Conv": "convolution",
    "ConvTranspose": "convolution",
    "DepthToSpace": "pixel_shuffle",
    "Div": "div",
    "Flatten": "flatten",
    "Gemm": "addmm",
    "GlobalAveragePool": "adaptive_avg_pool",
    "GlobalMaxPool": "adaptive_max_pool",
    "GridSample": "grid_sampler",
    "GroupNormalization": "group_norm",
    "InstanceNormalization": "instance_norm",
    "LayerNormalization": "layer_norm",
    "LogSoftmax": "log_softmax",
    "MatMul": "matmul",
    "MaxPool": "max_pool",
    "Mul": "mul",
    "Pad": "constant_pad_nd",
    "ReduceL2": "linalg_vector_norm",
    "ReduceMax": "amax",
    "ReduceMean": "mean",
    "ReduceMin": "amin",
    "ReduceSum": "sum",
    "Reshape": "view",
    "Resize": "upsample",
    "Softmax": "softmax",
    "SpaceToDepth": "pixel_unshuffle",
    "Squeeze": "squeeze",
    "Sub": "sub",
    "Transpose": "permute",
    "Unsqueeze": "unsqueeze",
    "Where": "where",
}
_NORMS: Final = (
    "BatchNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
)


@dataclass(frozen=True, slots=True)
class _Given:
    """A site with its node and the program's weights."""

    site: Site
    node: NodeProto
    weights: Mapping[str, Weight]

    def operand(self, position: int) -> list[Any] | None:
        """Return what an operand holds, None where it is no constant of one axis at most."""
        weight = self.weights.get((*self.node.input, *[""] * 4)[position])
        if weight is None or sum(length != 1 for length in weight.shape) > 1:
            return None
        numbers: list[Any] = weight.load().reshape(-1).tolist()
        return numbers

    def setting(self, name: str, position: int, default: Any = None) -> Any:
        """Return an attribute, or the operand that newer opsets have in its place."""
        held = self.operand(position)
        return attribute(self.node, name, default if held is None else held)


def in_aten(program: Program, model: ModelProto) -> Program:
    """Return an ONNX program with operators and settings named as PyTorch names them.

    model: the file that it was read from; what is inside of bodies keeps its names.
    """
    nodes = {node.name: node for node in model.graph.node}
    sites = (_translated(site, nodes.get(site.node), program.weights) for site in program.sites)
    return replace(program, sites=tuple(sites))


def _translated(site: Site, node: NodeProto | None, weights: Mapping[str, Weight]) -> Site:
    if node is None:
        return site
    read = _SETTINGS.get(site.op)
    settings = read(_Given(site, node, weights)) if read else {}
    op = _OPS.get(site.op, site.op)
    return replace(site, op=op, attributes={**site.attributes, **settings})


def _windowed(given: _Given) -> dict[str, Any]:
    """Return what a convolution or pooling was given, ONNX's defaults written out."""
    node, spatial = given.node, len(given.site.shape or ()) - 2
    once = (1,) * spatial
    found = {
        "stride": tuple(attribute(node, "strides", once)),
        "dilation": tuple(attribute(node, "dilations", once)),
        "kernel_size": tuple(attribute(node, "kernel_shape", ())),
        "groups": attribute(node, "group", 1),
        "transposed": node.op_type == "ConvTranspose",
    }
    if attribute(node, "auto_pad", "NOTSET") in {"NOTSET", "VALID"}:
        found["pads"] = tuple(attribute(node, "pads", (0,) * 2 * spatial))
    return found


def _bounds(given: _Given) -> dict[str, Any]:
    low, high = given.setting("min", 1), given.setting("max", 2)
    return {"min": _first(low), "max": _first(high)}


def _first(value: Any) -> Any:
    return next(iter(value), None) if isinstance(value, list) else value


def _number(given: _Given) -> dict[str, Any]:
    """Return the one number that a value is combined with; that of 1 / x and 1 - x is none."""
    places = (1, 0) if given.node.op_type in {"Add", "Mul"} else (1,)
    held = [given.operand(place) for place in places]
    numbers = [value[0] for value in held if value is not None and len(value) == 1]
    return {"other": numbers[0]} if len(numbers) == 1 and given.site.inputs else {}


def _slope(given: _Given) -> dict[str, Any]:
    return {"negative_slope": attribute(given.node, "alpha", 0.01)}


def _epsilon(given: _Given) -> dict[str, Any]:
    return {"eps": attribute(given.node, "epsilon", 1e-5)}


def _axis(given: _Given) -> dict[str, Any]:
    return {"dim": attribute(given.node, "axis", -1)}


def _axes(given: _Given) -> dict[str, Any]:
    axes = given.setting("axes", 1)
    return {} if axes is None else {"dim": tuple(axes)}


def _padding(given: _Given) -> dict[str, Any]:
    """Return what a constant padding puts around, in PyTorch's order: the last axis first."""
    pads, shape = given.setting("pads", 1), given.site.shape
    if given.operand(3) or not pads or shape is None or len(pads) != 2 * len(shape):
        return {}
    if attribute(given.node, "mode", "constant") != "constant":
        return {}
    ends = zip(pads[: len(shape)], pads[len(shape) :], strict=True)
    pad = tuple(n for pair in reversed(list(ends)) for n in pair)
    return {"pad": pad, "value": _first(given.setting("value", 2))}


_SETTINGS: Final[Mapping[str, Callable[[_Given], dict[str, Any]]]] = {
    "Clip": _bounds,
    "LeakyRelu": _slope,
    "LogSoftmax": _axis,
    "Pad": _padding,
    "Softmax": _axis,
    **dict.fromkeys(("Add", "Div", "Mul", "Sub"), _number),
    **dict.fromkeys(_NORMS, _epsilon),
    **dict.fromkeys(("AveragePool", "Conv", "ConvTranspose", "LpPool", "MaxPool"), _windowed),
    **dict.fromkeys(("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), _axes),
}
