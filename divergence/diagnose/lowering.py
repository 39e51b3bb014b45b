"""Elementwise functions of the reference as ONNX nodes, in operators of every opset.

A detector rebuilds with these what the reference computes, to see whether that heals a segment.
Formulas are those of the PyTorch documentation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from divergence.diagnose.builder import Builder, Make
from divergence.matching.steps import operator
from divergence.records import Site, Weight

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
    return _clip(b, x, float(settings.get("min_val", -1)), float(settings.get("max_val", 1)))


def _clamp(b: Builder, x: str, settings: Settings) -> str:
    low, high = settings.get("min", -math.inf), settings.get("max", math.inf)
    return _clip(b, x, float(low), float(high))


def _hardsigmoid(b: Builder, x: str, _: Settings) -> str:
    return _clip(b, b.node("Add", b.node("Mul", x, 1 / 6), 0.5), 0.0, 1.0)


def _mish(b: Builder, x: str, _: Settings) -> str:
    return b.node("Mul", x, b.node("Tanh", b.node("Softplus", x)))


def _prelu(b: Builder, x: str, settings: Settings) -> str:
    return b.node("PRelu", x, settings["slope"])


LOWERINGS: Mapping[str, Lowering] = {
    "relu": lambda b, x, _: b.node("Relu", x),
    "relu6": lambda b, x, _: _clip(b, x, 0.0, 6.0),
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": _clamp,
    "leaky_relu": lambda b, x, s: b.node("LeakyRelu", x, alpha=s.get("negative_slope", 0.01)),
    "prelu": _prelu,
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
    "log": lambda b, x, _: b.node("Log", x),
    "erf": lambda b, x, _: b.node("Erf", x),
    "sin": lambda b, x, _: b.node("Sin", x),
    "cos": lambda b, x, _: b.node("Cos", x),
    "softsign": lambda b, x, _: b.node("Softsign", x),
    "sqrt": lambda b, x, _: b.node("Sqrt", x),
    "rsqrt": lambda b, x, _: b.node("Reciprocal", b.node("Sqrt", x)),
    "reciprocal": lambda b, x, _: b.node("Reciprocal", x),
}


def canonical(op: str) -> str:
    """Return the key of LOWERINGS for a module's class name or an ATen op.

    >>> canonical("LeakyReLU"), canonical("SiLU"), canonical("hardswish")
    ('leaky_relu', 'silu', 'hardswish')
    """
    plain = op.lower().replace("_", "")
    plain = {"swish": "silu", "clip": "clamp", "logsigmoidforward": "logsigmoid"}.get(plain, plain)
    return next((key for key in LOWERINGS if key.replace("_", "") == plain), op)


def function_of(site: Site) -> str:
    """Return the key of LOWERINGS for what a site applies, else its op.

    A module of a class of its own counts by the ATen op that it is made of.
    """
    names = (site.op, operator(site))
    return next((key for key in map(canonical, names) if key in LOWERINGS), site.op)


def settings_of(site: Site, weights: Mapping[str, Weight]) -> Settings:
    """Return what a site's function was given; a PReLU's slopes as its channels are laid out.

    weights: the reference's, by name.
    """
    given = {name: value for name, value in site.attributes.items() if value is not None}
    if function_of(site) == "prelu" and site.weights:
        slopes, rank = weights[site.weights[0]].load(), len(site.shape or ())
        given["slope"] = slopes.reshape(-1, *[1] * max(0, rank - 2))
    return given


def lowered(op: str, settings: Settings) -> Make:
    """Return the reference's function `op` as nodes."""
    return lambda builder, source: LOWERINGS[op](builder, source, settings)


def formula_of(site: Site, weights: Mapping[str, Weight]) -> tuple[str, ...]:
    """Return the operators that a site's function is lowered to."""
    from onnx import GraphProto

    builder = Builder(GraphProto(), site.name, np.dtype(np.float32))
    LOWERINGS[function_of(site)](builder, "x", settings_of(site, weights))
    return tuple(node.op_type for node in builder.nodes)


def makers(op: str) -> tuple[str, ...]:
    """ONNX operators whose presence says that the function is there in some form."""
    plain = op.replace("_", "").lower()
    chains = {
        "gelu": ("Gelu", "Erf", "Tanh", "FastGelu", "BiasGelu", "QuickGelu"),
        "silu": ("Sigmoid", "Swish", "QuickGelu"),
        "mish": ("Mish", "Softplus"),
        "hardswish": ("HardSwish", "HardSigmoid", "Clip"),
        "relu6": ("Clip", "Min"),
        "hardtanh": ("Clip", "Min", "Max"),
        "clamp": ("Clip", "Min", "Max"),
        "clampmin": ("Clip", "Max"),
        "clampmax": ("Clip", "Min"),
        "leakyrelu": ("LeakyRelu", "PRelu"),
        "prelu": ("LeakyRelu", "PRelu"),
        "hardsigmoid": ("HardSigmoid", "Clip"),
        "logsigmoid": ("Sigmoid", "Softplus"),
        "elu": ("Elu", "Celu"),
        "rsqrt": ("Div", "Pow", "Reciprocal"),
        "reciprocal": ("Div", "Pow", "Reciprocal"),
    }
    return chains.get(plain, (plain.capitalize(), op.capitalize()))
