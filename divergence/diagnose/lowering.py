"""Elementwise functions of the reference as ONNX nodes, in operators of every opset.

A detector rebuilds with these what the reference computes, to see whether that heals a segment.
Formulas are those of the PyTorch documentation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.edits import Edit, add_weight, fresh_name, producer, sort_topologically

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


@dataclass
class Builder:
    """Collects nodes for one function; every method returns a value's name."""

    graph: GraphProto
    stem: str
    dtype: np.dtype[Any]
    nodes: list[NodeProto] = field(default_factory=list)

    def node(self, op: str, *inputs: str | float, **attributes: Any) -> str:
        """Add a node; a number becomes a constant of the function's dtype."""
        from onnx import helper

        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = fresh_name(self.graph, f"{self.stem}.{op}{len(self.nodes)}")
        self.nodes.append(helper.make_node(op, names, [output], name=output, **attributes))
        return output

    def constant(self, number: float) -> str:
        """Add a scalar constant."""
        return add_weight(self.graph, f"{self.stem}.c", np.asarray(number, self.dtype))


Settings = Mapping[str, Any]
Lowering = Callable[[Builder, str, Settings], str]


def _clip(b: Builder, x: str, low: float, high: float) -> str:
    return b.node("Min", b.node("Max", x, low), high)


def _gelu(b: Builder, x: str, settings: Settings) -> str:
    if settings.get("approximate", "none") == "tanh":
        cubic = b.node("Mul", b.node("Mul", b.node("Mul", x, x), x), 0.044715)
        inner = b.node("Mul", b.node("Add", x, cubic), math.sqrt(2 / math.pi))
        gate = b.node("Tanh", inner)
    else:
        gate = b.node("Erf", b.node("Div", x, math.sqrt(2.0)))
    return b.node("Mul", b.node("Mul", x, b.node("Add", gate, 1.0)), 0.5)


def _hardtanh(b: Builder, x: str, settings: Settings) -> str:
    low = settings.get("min_val", settings.get("min", -1.0))
    high = settings.get("max_val", settings.get("max", 1.0))
    low = -math.inf if low is None else float(low)
    return _clip(b, x, low, math.inf if high is None else float(high))


def _hardsigmoid(b: Builder, x: str, _: Settings) -> str:
    return _clip(b, b.node("Add", b.node("Mul", x, 1 / 6), 0.5), 0.0, 1.0)


def _mish(b: Builder, x: str, _: Settings) -> str:
    return b.node("Mul", x, b.node("Tanh", b.node("Softplus", x)))


LOWERINGS: Mapping[str, Lowering] = {
    "relu": lambda b, x, _: b.node("Relu", x),
    "relu6": lambda b, x, _: _clip(b, x, 0.0, 6.0),
    "hardtanh": _hardtanh,
    "clamp": _hardtanh,
    "leaky_relu": lambda b, x, s: b.node("LeakyRelu", x, alpha=s.get("negative_slope", 0.01)),
    "elu": lambda b, x, s: b.node("Elu", x, alpha=float(s.get("alpha", 1.0))),
    "celu": lambda b, x, s: b.node("Celu", x, alpha=float(s.get("alpha", 1.0))),
    "selu": lambda b, x, _: b.node("Selu", x),
    "gelu": _gelu,
    "silu": lambda b, x, _: b.node("Mul", x, b.node("Sigmoid", x)),
    "sigmoid": lambda b, x, _: b.node("Sigmoid", x),
    "tanh": lambda b, x, _: b.node("Tanh", x),
    "mish": _mish,
    "softplus": lambda b, x, _: b.node("Softplus", x),
    "hardsigmoid": _hardsigmoid,
    "hardswish": lambda b, x, s: b.node("Mul", x, _hardsigmoid(b, x, s)),
    "log_sigmoid": lambda b, x, _: b.node("Log", b.node("Sigmoid", x)),
    "neg": lambda b, x, _: b.node("Neg", x),
    "abs": lambda b, x, _: b.node("Abs", x),
    "exp": lambda b, x, _: b.node("Exp", x),
    "sqrt": lambda b, x, _: b.node("Sqrt", x),
}


def canonical(op: str) -> str:
    """Return the key of LOWERINGS for a module's class name or an ATen op.

    >>> canonical("LeakyReLU"), canonical("SiLU"), canonical("hardswish")
    ('leaky_relu', 'silu', 'hardswish')
    """
    plain = op.lower().replace("_", "")
    plain = {"swish": "silu", "clip": "clamp", "logsigmoidforward": "logsigmoid"}.get(plain, plain)
    return next((key for key in LOWERINGS if key.replace("_", "") == plain), op)


def rebuild(
    value: str, source: str, op: str, settings: Settings, dtype: np.dtype[Any], action: str
) -> Edit:
    """Make `value` by the reference's function `op` of `source` instead of by its node."""

    def apply(graph: GraphProto) -> None:
        builder = Builder(graph, f"{value}.rebuilt", dtype)
        made = LOWERINGS[op](builder, source, settings)
        old = producer(graph, value)
        old.output[list(old.output).index(value)] = fresh_name(graph, f"{value}.old")
        builder.nodes[-1].output[0] = value
        assert made  # the last node made the result, which now bears the old name
        graph.node.extend(builder.nodes)
        sort_topologically(graph)

    return Edit(action, apply)


def append(value: str, op: str, settings: Settings, dtype: np.dtype[Any], action: str) -> Edit:
    """Put the reference's function `op` behind the node that makes `value`."""

    def apply(graph: GraphProto) -> None:
        old = producer(graph, value)
        raw = fresh_name(graph, f"{value}.raw")
        old.output[list(old.output).index(value)] = raw
        builder = Builder(graph, f"{value}.added", dtype)
        LOWERINGS[op](builder, raw, settings)
        builder.nodes[-1].output[0] = value
        graph.node.extend(builder.nodes)
        sort_topologically(graph)

    return Edit(action, apply)
