"""What a site says of itself: its operator, the steps that it takes, which result it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from divergence.matching.kinds import kind_of, normal
from divergence.records import Site, Weight

# ONNX Runtime's fused nodes, as the steps before the last one that is their output's kind.
_FUSED: Final[dict[str, tuple[str, ...]]] = {
    "skiplayernormalization": ("add", "layer_norm"),
    "skipsimplifiedlayernormalization": ("add", "rms_norm"),
    "skipgroupnorm": ("add", "group_norm"),
    "biasgelu": ("add", "gelu"),
    "biassoftmax": ("add", "softmax"),
    "biassplitgelu": ("add", "mul"),
}
_SUM: Final = 3  # which output of a norm of a sum is the sum
# How many weights such a norm has besides a bias of the first operand.
_NORMED: Final = {"skiplayernormalization": 2, "skipsimplifiedlayernormalization": 1}
_PARAMETRIC: Final = frozenset({"conv", "conv_transpose", "matmul", "rnn", "attention"})


def split(name: str) -> tuple[str, str]:
    """Return a site's name without the number of the tensor, and that number.

    >>> split("lstm[1]"), split("lstm")
    (('lstm', '[1]'), ('lstm', ''))
    """
    label, bracket, number = name.rpartition("[")
    return (label, bracket + number) if bracket and name.endswith("]") else (name, "")


def operator(site: Site) -> str:
    """Return the operator that made a site's value; a leaf module names its last ATen op.

    >>> operator(Site("fc", "module", "Linear", "fc", 0, attributes={"aten": "addmm"}))
    'addmm'
    """
    aten = site.attributes.get("aten")
    return aten if isinstance(aten, str) else site.op


def moves(site: Site, weights: Mapping[str, Weight]) -> bool:
    """Return whether a layout operator moves elements even at the same size: another value."""
    return any(does(site, weights) for does in (_crops, _reverses, _reorders))


def _crops(site: Site, weights: Mapping[str, Weight]) -> bool:
    """Return whether a padding also cuts off: at the same size it moves all that it keeps."""
    if normal(operator(site)) not in {"pad", "constant_pad_nd"}:
        return False
    amounts = [*site.attributes.get("pad", ()), *site.attributes.get("pads", ())]
    for weight in (weights[name] for name in site.weights):
        if weight.dtype == "int64":
            amounts += weight.load().reshape(-1).tolist()
    return any(isinstance(amount, int) and amount < 0 for amount in amounts)


def _reverses(site: Site, weights: Mapping[str, Weight]) -> bool:
    """Return whether a slice takes its elements from the end: all of them are another value."""
    if site.op != "Slice" or len(site.weights) < 4:  # starts, ends, axes and steps
        return False
    return bool((weights[site.weights[3]].load() < 0).any())


def _reorders(site: Site, weights: Mapping[str, Weight]) -> bool:
    """Return whether a gathering takes all elements in another order, or in one not known."""
    if kind_of(operator(site)) != "gather":
        return False
    taken = [weights[n].load().reshape(-1) for n in site.weights if "int" in weights[n].dtype]
    return not taken or any((index % len(index) != np.arange(len(index))).any() for index in taken)


def steps_of(site: Site, operands: int, weights: Mapping[str, Weight]) -> tuple[str, ...]:
    """Return the kinds of the steps that a node takes, the one that is its output last.

    One element that is picked is a slice.
    """
    name, kind = normal(operator(site)), kind_of(operator(site))
    if site.kind == "input":
        return ("input",)
    if site.op == "Gather" and operands == 1 and len(site.weights) == 1:
        return ("slice" if is_number(weights[site.weights[0]]) else kind,)
    if name == "quantizelinear":
        return ("relu",)
    steps = _fused(site, name, operands) or (kind,)
    if kind in _PARAMETRIC - {"rnn", "attention"}:
        if kind == "conv" and operands > 1 and site.kind == "node":
            steps += ("add",)
        activation = site.attributes.get("activation")
        if isinstance(activation, str) and activation:
            steps += (kind_of(activation),)
    if kind == "conv" and site.attributes.get("transposed"):
        steps = ("conv_transpose",)
    return steps


def _fused(site: Site, name: str, operands: int) -> tuple[str, ...]:
    """Return the steps of a node that ONNX Runtime fused for one of its outputs."""
    if name == "fastgelu" and site.weights:
        return ("add", "gelu")
    steps = _FUSED.get(name, ())
    if name.startswith("skip") and operands < 2:
        steps = steps[1:]
    return steps[:-1] if is_sum(site) else steps


def is_sum(site: Site) -> bool:
    """Return whether a site is the sum that a norm of ONNX Runtime gives beside its result."""
    return normal(site.op) in _NORMED and site.attributes.get("divergence.output") == _SUM


def shares(site: Site, weights: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the weights of what a node adds to its first operand, of its first and last step."""
    own = _NORMED.get(normal(site.op))
    if own is None:
        return (), weights, ()
    return weights[own:], (), () if is_sum(site) else weights[:own]


def is_number(weight: Weight) -> bool:
    """Return whether a weight is one integer."""
    return math.prod(weight.shape) == 1 and "int" in weight.dtype


def part_of(site: Site, weights: Mapping[str, Weight]) -> float:
    """Return which of its operator's results this is, or at which index a slice begins."""
    name = site.name
    if site.kind != "node" and name.endswith("]") and "[" in name:
        return float(name[name.rindex("[") + 1 : -1])
    for key in ("divergence.output", "index", "start"):
        if isinstance(site.attributes.get(key), int):
            return float(site.attributes[key])
    if site.op in {"Slice", "Gather"} and site.weights and is_number(weights[site.weights[0]]):
        return float(weights[site.weights[0]].load().reshape(-1)[0])
    return 0.0


def frozen(attributes: Mapping[str, Any], but: str = "") -> str:
    """Return what says whether two operators were given the same, besides values.

    but: an attribute that does not count.
    """
    plain = (
        (key, value)
        for key, value in attributes.items()
        if isinstance(value, int | float | str | tuple)
        if key != but and not key.startswith("pkg.torch")
    )
    return repr(sorted(plain))
