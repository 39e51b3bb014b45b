"""Parameters of a few bits, several in a byte, with a scale for each block of a row.

As onnxruntime's `MatMulNBits` and `GatherBlockQuantized` hold them (its ContribOperators.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from divergence.compare.dtypes import DType
from divergence.diagnose.integers import BLOCKWISE, OPERATORS, operand
from divergence.diagnose.reading import attribute
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import NodeProto

# Gives a constant's values by its name, None for what is none.
Constant = Callable[[str], Array | None]
# The operands that hold the integers, what scales them, and where they count from.
_OPERANDS = {"MatMulNBits": (1, 2, 3), "GatherBlockQuantized": (0, 2, 3)}


def integers_of(node: NodeProto) -> str:
    """Return the name of the operand that holds the integers."""
    return operand(node, _OPERANDS[node.op_type][0])


def integers_read(node: NodeProto) -> list[str]:
    """Return the operands of a node that stand for real numbers, where it works on integers."""
    if node.op_type in BLOCKWISE:
        return [integers_of(node)]
    if node.op_type in OPERATORS:
        how = OPERATORS[node.op_type]
        return [operand(node, k) for k in (*(place[0] for place in how.operands), how.bias)]
    if node.op_type == "QLinearConcat":
        return list(node.input[2::3])
    return list(node.input[:1]) if node.op_type in {"DequantizeLinear", "Gather"} else []


def real(node: NodeProto, constant: Constant) -> tuple[Array, float] | None:
    """Return what a node's integers stand for, and how far rounding may have moved an element.

    For a product as `MatMul` takes it (inputs by outputs), for a table as `Gather` does. A zero
    point that is rounded as well, or a range that ends a step early, moves it by a whole step.
    None where a part is computed, or the layout is none of these.
    """
    values, scales, zeros = (constant(operand(node, k)) for k in _OPERANDS[node.op_type])
    bits = int(attribute(node, "bits", 4))
    if values is None or scales is None or (zeros is None and operand(node, 3)):
        return None
    unpacked = _numbers(values, bits)
    columns = int(attribute(node, "K", 0)) or unpacked.shape[-1]
    rows = int(attribute(node, "N", 0)) or unpacked.size // columns
    block = int(attribute(node, "block_size", 32 if "MatMul" in node.op_type else 128))
    blocks = -(-columns // block)
    if scales.size != rows * blocks or unpacked.size < rows * columns:
        return None
    gain = scales.reshape(rows, blocks).astype(np.float32)
    zero = _zeros(zeros, bits, values.dtype, (rows, blocks))
    numbers = unpacked.reshape(rows, -1)[:, :columns].astype(np.float32)
    spread = [np.repeat(part, block, axis=1)[:, :columns] for part in (gain, zero)]
    found = ((numbers - spread[1]) * spread[0]).astype(scales.dtype)
    step = float(np.abs(gain).max(initial=0.0))
    return (found.T if "MatMul" in node.op_type else found), step


def _zeros(zeros: Array | None, bits: int, stored: DType, shape: tuple[int, int]) -> Array:
    """Return where the integers of each block count from."""
    if zeros is None:
        middle = 2 ** (bits - 1) if stored == np.uint8 else 0
        return np.full(shape, middle, np.float32)
    if zeros.dtype.kind == "f":
        return zeros.reshape(shape).astype(np.float32)
    unpacked = _numbers(zeros.reshape(shape[0], -1), bits)
    return unpacked[:, : shape[1]].astype(np.float32)


def _numbers(values: Array, bits: int) -> Array:
    """Return the numbers of `bits` bits in bytes, the lowest first, along the last axis.

    >>> _numbers(np.array([[0x21, 0x43]], np.uint8), 4)
    array([[1, 2, 3, 4]], dtype=uint8)
    """
    if values.dtype != np.uint8 or bits >= 8:
        return values
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (values[..., None] >> shifts) & np.uint8(2**bits - 1)
    return parts.reshape(*values.shape[:-1], -1)
