"""Operators on quantised integers: what they stand for, and the range that they can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from divergence.compare.dtypes import integer_range
from divergence.records import Array, Weight

if TYPE_CHECKING:
    from onnx import NodeProto


@dataclass(frozen=True, slots=True)
class Integers:
    """How an operator on quantised integers says what they stand for, by operand numbers.

    op: on real numbers. operands: (values, scale, zero point) each, -1 for what there is none of.
    result: scale and zero point, (-1, -1) where the result is not quantised. bias: an operand in
    units of both scales; addend: one of real numbers. plain: operands that stay, before the others.
    """

    op: str
    operands: tuple[tuple[int, int, int], ...]
    result: tuple[int, int] = (-1, -1)
    bias: int = -1
    addend: int = -1
    plain: tuple[int, ...] = ()


# Of a step: values are divided by the scale in float32 before they are rounded.
SLACK = 0.01
_ONE, _TWO = ((0, 1, 2),), ((0, 1, 2), (3, 4, 5))
# ONNX's own and those of onnxruntime (its ContribOperators.md), which fuses QDQ pairs into them.
OPERATORS: Final[Mapping[str, Integers]] = {
    "QLinearConv": Integers("Conv", _TWO, (6, 7), bias=8),
    "QLinearMatMul": Integers("MatMul", _TWO, (6, 7)),
    "QGemm": Integers("Gemm", _TWO, (7, 8), bias=6),
    "QLinearAdd": Integers("Add", _TWO, (6, 7)),
    "QLinearMul": Integers("Mul", _TWO, (6, 7)),
    "QLinearSigmoid": Integers("Sigmoid", _ONE, (3, 4)),
    "QLinearLeakyRelu": Integers("LeakyRelu", _ONE, (3, 4)),
    "QLinearSoftmax": Integers("Softmax", _ONE, (3, 4)),
    "QLinearAveragePool": Integers("AveragePool", _ONE, (3, 4)),
    "QLinearGlobalAveragePool": Integers("GlobalAveragePool", _ONE, (3, 4)),
    "QLinearWhere": Integers("Where", ((1, 2, 3), (4, 5, 6)), (7, 8), plain=(0,)),
    "MatMulInteger": Integers("MatMul", ((0, -1, 2), (1, -1, 3))),
    "ConvInteger": Integers("Conv", ((0, -1, 2), (1, -1, 3))),
    "MatMulIntegerToFloat": Integers("MatMul", ((0, 2, 4), (1, 3, 5)), addend=6),
    "DynamicQuantizeMatMul": Integers("MatMul", ((0, -1, -1), (1, 2, 3)), addend=4),
}
# onnxruntime's operators on parameters of a few bits, several in a byte, a scale for each block.
BLOCKWISE: Final = frozenset({"GatherBlockQuantized", "MatMulNBits"})
ROUNDING: Final = frozenset(
    {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConcat", *BLOCKWISE, *OPERATORS}
)
QUANTISED: Final = frozenset({"DequantizeLinear", *ROUNDING})


def limits(
    node: NodeProto, result: tuple[int, int], constants: Mapping[str, Weight]
) -> tuple[Array, Array, Array] | None:
    """Return the least and the greatest number that a result may stand for, and half a step.

    result: the operands that hold its scale and zero point. None where that is not one constant.
    """
    scale, zero = (loaded(operand(node, number), constants) for number in result)
    if scale is None or scale.size != 1:
        return None
    zero = np.zeros((), np.uint8) if zero is None else zero
    least, most = (
        np.asarray((end - int(zero.reshape(()))) * scale.reshape(()), scale.dtype)
        for end in integer_range(zero.dtype)
    )
    return least, most, np.asarray(half_step(scale), scale.dtype)


def result_of(node: NodeProto) -> tuple[int, int]:
    """Return the operands that hold the scale and zero point of a node's result, -1 for none."""
    if node.op_type in OPERATORS:
        return OPERATORS[node.op_type].result
    return {"QuantizeLinear": (1, 2), "QLinearConcat": (0, 1)}.get(node.op_type, (-1, -1))


def loaded(name: str, constants: Mapping[str, Weight]) -> Array | None:
    """Return the values of a constant, None for what is computed."""
    return constants[name].load() if name in constants else None


def half_step(scale: Array) -> float:
    """Return how far rounding moves what is quantised with this scale, at most."""
    return (0.5 + SLACK) * float(np.abs(scale).max(initial=0.0))


def dequantised(value: Array, scale: Array | None, zero: Array | None, axis: int) -> Array:
    """Return what integers stand for; without a scale in units of it, without a zero point from 0.

    >>> dequantised(np.array([1, 3], "u1"), np.array([0.5], "f4"), np.array([1], "u1"), 0)
    array([0., 1.], dtype=float32)
    """
    real = value.astype(np.float32)
    if zero is not None:
        real = real - _along(zero.astype(np.float32), real.ndim, axis)
    return real if scale is None else real * _along(scale, real.ndim, axis).astype(np.float32)


def _along(setting: Array, rank: int, axis: int) -> Array:
    """Return a scale or a zero point so that it broadcasts along its axis."""
    shape = [1] * rank
    if setting.size > 1:
        shape[axis] = setting.size
    return setting.reshape(shape)


def weight_axis(node: NodeProto, rank: int) -> int:
    """Return the axis along which a weight may have several scales."""
    if "Conv" in node.op_type:
        return 0
    turned = any(entry.name == "transB" and entry.i for entry in node.attribute)
    return 0 if turned else rank - 1


def operand(node: NodeProto, number: int) -> str:
    """Return the name of a node's operand, "" for one that it has not."""
    return str(node.input[number]) if 0 <= number < len(node.input) else ""
