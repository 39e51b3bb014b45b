"""The reference's parameters in place of those that were quantised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.blockwise import integers_of, real
from divergence.diagnose.causes.weight import Operand, layout_of, operands, resembles
from divergence.diagnose.integers import (
    BLOCKWISE,
    OPERATORS,
    Integers,
    dequantised,
    half_step,
    operand,
    weight_axis,
)
from divergence.diagnose.suspect import Region
from divergence.diagnose.weights import Expected, expected_weights, layouts
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import NodeProto

# What a parameter is called, by its qualified name ("stem.conv.bias (with stem.bn folded in)").
BIAS = re.compile(r"(^|\.)bias\b")
# ONNX's operators whose third operand is a bias.
BIASED = frozenset({"BatchNormalization", "Conv", "ConvTranspose", "Gemm"})


def reference_weights(region: Region) -> dict[str, Array]:
    """Return what the segment's quantised constants would be had they not been rounded, by name.

    A constant that is none of the reference's, by more than its rounding, is left out.
    """
    expected = list(expected_weights(region))
    found: dict[str, Array] = {}
    for place, unit in quantised(region):
        layout = _unrounded(place, expected)
        if layout is not None:
            value = np.asarray(layout, order="C").astype(place.value.dtype)
            found.setdefault(place.name, value if unit is None else value / unit)
    return found


def _unrounded(place: Operand, expected: Sequence[Expected]) -> Array | None:
    """Return what a constant was before it was quantised; None where it is none of `expected`."""
    if _is_zero(place):
        return place.value
    fitting = (layout_of(place, want) for want in likeliest(place, expected))
    return next((found for found in fitting if found is not None), None)


def _is_zero(place: Operand) -> bool:
    """Whether a constant was zero before it was quantised, whatever else its step has room for.

    A range that is not empty has elements at its end. Only a bias is counted in the units of
    another's range, which may be too coarse for all of it.
    """
    return not place.value.any() and not _is_bias(place)


def _is_bias(place: Operand) -> bool:
    how = OPERATORS.get(place.node.op_type)
    if how is not None:
        return place.position == how.bias
    return place.node.op_type in BIASED and place.position == 2


def likeliest(place: Operand, expected: Sequence[Expected]) -> list[Expected]:
    """Return the parameters in their order, for a bias those first that are called one.

    In coarse units any that is small would fit.
    """
    bias = _is_bias(place)
    return sorted(expected, key=lambda want: bias and not BIAS.search(want.name))


def wrong_weights(region: Region) -> set[str]:
    """Return the quantised constants that no rounding makes of the reference's parameters.

    Whatever the way, it moves elements by less than a step by root mean square, of a row as well.
    """
    known, expected = reference_weights(region), list(expected_weights(region))
    return {
        place.name
        for place, _ in quantised(region)
        if place.name not in known and any(_is_beyond(place, want.value) for want in expected)
    }


def _is_beyond(place: Operand, want: Array) -> bool:
    """Whether a constant is a version of a parameter, but more than a step apart."""
    for layout in layouts(want, place.value.shape):
        apart = layout.astype(np.float64) - place.value.astype(np.float64)
        if resembles(layout, place.value) and _greatest(apart) > 2 * place.step:
            return True
    return False


def _greatest(apart: Array) -> float:
    """Return the root mean square of what a parameter is off by, where it is most: of its rows."""
    axes = [tuple(a for a in range(apart.ndim) if a != axis) for axis in range(apart.ndim)]
    means = [np.mean(apart**2, axis=others) for others in axes if apart.ndim > 1]
    return float(np.sqrt(max(float(mean.max()) for mean in (*means, np.mean(apart**2)))))


def quantised(region: Region) -> Iterator[tuple[Operand, Array | None]]:
    """Yield each parameter as it was restored, with the unit that the graph counts it in."""
    for restored in operands(region):
        if restored.step:
            yield restored, None
    for node in region.nodes:
        if node.op_type in BLOCKWISE:
            yield from _blocks(region, node)
        how = OPERATORS.get(node.op_type)
        for numbers in how.operands if how else ():
            yield from _integers(region, node, numbers)
        if how and how.bias >= 0:
            yield from _bias(region, node, how)
    yield from _tables(region)


def _integers(
    region: Region, node: NodeProto, numbers: tuple[int, int, int]
) -> Iterator[tuple[Operand, Array | None]]:
    name, scale, zero = (operand(node, number) for number in numbers)
    value = region.constant(name)
    if value is None or value.dtype.kind not in "iu":
        return
    axis = weight_axis(node, value.ndim)
    real = dequantised(value, region.constant(scale), region.constant(zero), axis)
    if scale:
        step = region.constant(scale)
        if step is not None:
            yield Operand(node, numbers[0], name, real, half_step(step)), None
        return
    for unit in units(region, real, axis):  # the node that applies it stands further down
        yield Operand(node, numbers[0], name, real * unit, half_step(unit)), unit


def _blocks(region: Region, node: NodeProto) -> Iterator[tuple[Operand, None]]:
    """Yield a parameter that is packed in blocks, as it was restored."""
    found = real(node, region.constant)
    if found is not None:
        yield Operand(node, 1, integers_of(node), *found), None


def _tables(region: Region) -> Iterator[tuple[Operand, None]]:
    """Yield each embedding that is looked up among integers."""
    rows = {node.output[0]: node.input[0] for node in region.node("Gather")}
    for node in region.nodes:
        how = OPERATORS.get(node.op_type)
        for numbers in how.operands if how else ((0, 1, 2),):
            name = rows.get(operand(node, numbers[0]), "")
            value = region.constant(name)
            scale, zero = (region.constant(operand(node, number)) for number in numbers[1:])
            if value is not None and scale is not None and value.dtype.kind in "iu":
                real = dequantised(value, scale, zero, value.ndim - 1)
                yield Operand(node, numbers[0], name, real, half_step(scale)), None


def units(region: Region, value: Array, axis: int) -> Iterator[Array]:
    """Yield the scales that the segment may apply behind a product of integers."""
    for node in region.node("Mul"):
        for name in node.input:
            unit = region.constant(name)
            if unit is None or unit.dtype.kind != "f":
                continue
            if unit.size == 1:
                yield unit.reshape(())
            elif unit.size == value.shape[axis]:
                yield unit.reshape([-1 if k == axis else 1 for k in range(value.ndim)])


def _bias(region: Region, node: NodeProto, how: Integers) -> Iterator[tuple[Operand, Array | None]]:
    name = operand(node, how.bias)
    value = region.constant(name)
    scales = [region.constant(operand(node, number)) for _, number, _ in how.operands]
    if value is None or any(scale is None for scale in scales):
        return
    unit = np.prod(np.broadcast_arrays(*(s.reshape(-1) for s in scales if s is not None)), axis=0)
    yield Operand(node, how.bias, name, (value * unit).astype(np.float32), half_step(unit)), None
