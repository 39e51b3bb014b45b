"""The matrix that an operator multiplies by, however the file stores it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from divergence.matching.graph import Graph, Node
from divergence.matching.kinds import normal
from divergence.matching.parameters import Floats
from divergence.matching.unblocked import DOMAIN, unblocked
from divergence.records import Array, Weight

HEADS: Final = frozenset({"conv", "conv_transpose", "matmul"})
_INTEGERS: Final = frozenset({"int8", "uint8"})


@dataclass(frozen=True, slots=True)
class Kernel:
    """A weight with its channels.

    parts: the constants that hold it, the values first, then what restores them. axis: holds the
    output channels. scaled: whether rows have the size that they are used with, which integers
    have not. load: the values; of integers, less their zero point.
    """

    parts: tuple[str, ...]
    shape: tuple[int, ...]
    axis: int
    scaled: bool
    load: Callable[[], Array] = field(repr=False)

    @property
    def channels(self) -> int:
        """Count of output channels of one group."""
        return self.shape[self.axis]


def kernel_of(graph: Graph, node: Node) -> Kernel | None:
    """Return what a node multiplies its one operand by; None for other nodes."""
    if node.kind not in HEADS or len(set(node.operands)) != 1:
        return None
    given = [graph.program.weights[name] for name in node.weights]
    if normal(node.op) == "matmulnbits":
        return _bits(node, given)
    for position, weight in enumerate(given):
        if len(weight.shape) < 2 or math.prod(weight.shape) == 0:
            continue
        if node.op.startswith(DOMAIN) and len(weight.shape) == 4:
            plain = unblocked(weight.load(), int(node.attributes.get("group", 1)))
            return Kernel((weight.name,), plain.shape, 0, True, partial(np.asarray, plain))
        axis = _axis(node, weight.shape)
        if "float" in weight.dtype:
            return Kernel((weight.name,), weight.shape, axis, True, weight.load)
        if weight.dtype in _INTEGERS:
            behind = given[position + 1 :]
            zero, scale = _zero_point(behind, weight), _scale(behind, weight.shape[axis])
            load = _restored(weight, zero, scale, axis)
            parts = tuple(part.name for part in (weight, zero, scale) if part is not None)
            return Kernel(parts, weight.shape, axis, scale is not None, load)
    return None


def _axis(node: Node, shape: tuple[int, ...]) -> int:
    """Return the axis of a weight of this shape that becomes the output's channels."""
    if node.kind == "conv":
        return 0
    if node.kind == "conv_transpose":
        return 1
    channels = node.shape[-1] if node.shape else None
    if shape[0] != shape[-1] and channels in (shape[0], shape[-1]):
        return 0 if channels == shape[0] else len(shape) - 1
    name = normal(node.op)
    if name in {"gemm", "fusedgemm", "qgemm"}:
        return 0 if node.attributes.get("transB") else 1
    return len(shape) - 1 if "matmul" in name else 0


def _zero_point(following: Sequence[Weight], weight: Weight) -> Weight | None:
    """Return the integer behind a quantised weight that stands for zero."""
    return next((w for w in following if w.dtype == weight.dtype and len(w.shape) < 2), None)


def _scale(following: Sequence[Weight], channels: int) -> Weight | None:
    """Return the scale of a quantised weight: the first floats behind it that fit."""
    fit = (w for w in following if "float" in w.dtype and math.prod(w.shape) in (1, channels))
    return next(fit, None)


def _restored(
    weight: Weight, zero: Weight | None, scale: Weight | None, axis: int
) -> Callable[[], Array]:
    """Return how the floats are had that quantised values stand for."""

    def along(vector: Weight, axes: int) -> Floats:
        values = vector.load().astype(np.float64).reshape(-1)
        return values.reshape([-1 if a == axis else 1 for a in range(axes)])

    def load() -> Array:
        values = weight.load().astype(np.float64)
        if zero is not None:
            values = values - along(zero, values.ndim)
        return values if scale is None else values * along(scale, values.ndim)

    return load


def _bits(node: Node, given: Sequence[Weight]) -> Kernel | None:
    """Return the kernel of `MatMulNBits`: blocks of a few bits, each block with a scale."""
    attributes = node.attributes
    count, width = int(attributes.get("N", 0)), int(attributes.get("K", 0))
    bits, block = int(attributes.get("bits", 4)), int(attributes.get("block_size", 32))
    if len(given) < 2 or bits not in (4, 8) or count * width == 0:
        return None

    def load() -> Floats:
        packed = given[0].load().reshape(count, -1)
        values = packed if bits == 8 else np.stack([packed & 15, packed >> 4], axis=2)
        matrix = values.reshape(count, -1, block).astype(np.float64) - (1 << (bits - 1))
        scale = given[1].load().astype(np.float64).reshape(count, -1, 1)
        restored: Floats = (matrix * scale).reshape(count, -1)[:, :width]
        return restored

    parts = tuple(weight.name for weight in given[:2])
    return Kernel(parts, (count, width), 0, True, load)
