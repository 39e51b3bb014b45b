"""The parameters that a correct candidate would hold in a segment."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from divergence.diagnose.suspect import Region
from divergence.matching.steps import operator
from divergence.records import Array, Site

# Folding in float32 takes a division, a root and two products: some units in the last place.
FOLDING = 16 * float(np.finfo(np.float32).eps)

# ATen operators with a kernel that a norm behind them may be folded into.
_KERNELS = frozenset({"convolution", "conv1d", "conv2d", "conv3d", "addmm", "mm", "linear"})

# Of a stacked parameter, that are looked at.
MOST_PARTS = 64

# PyTorch's gates in ONNX's order, by their number: LSTM i f g o as i o f c, GRU r z n as z r h.
_GATES = {1: (0,), 3: (1, 0, 2), 4: (0, 3, 1, 2)}
_RECURRENT = re.compile(r"(.*)(weight|bias)_(ih|hh)_l(\d+)(_reverse)?")


@dataclass(frozen=True, slots=True)
class Expected:
    """A parameter by its qualified name, or one that folding makes of several.

    rounding: how far a correct copy may be off, relative to the greatest element.
    """

    name: str
    value: Array
    rounding: float = 0.0


def expected_weights(region: Region) -> Iterator[Expected]:
    """Yield the parameters that the reference's segment reads, and what exporters make of them.

    A batch norm behind a convolution is usually folded into it by an exporter or an optimiser:
    W' = W g, b' = (b - mean) g + beta with g = gamma / sqrt(variance + epsilon). Those come
    first where the segment has no such node. A recurrent layer's are stacked, gates in order.
    """
    folded = list(_folded_pairs(region))
    if region.node("BatchNormalization"):
        yield from (*_read(region), *folded)
    else:
        yield from (*folded, *_read(region))
    if region.node("LSTM", "GRU", "RNN"):
        yield from _recurrent(region)


def _read(region: Region) -> Iterator[Expected]:
    for name in _names(region):
        value = _value(region, name)
        if value is not None:
            yield Expected(name, value)


def _names(region: Region) -> dict[str, None]:
    return dict.fromkeys(name for site in region.reference.sites for name in site.weights)


def _value(region: Region, name: str) -> Array | None:
    weight = region.reference_weights.get(name)
    return None if weight is None else weight.load()


def layouts(value: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield `value` in the layouts an exporter may have given it to have `shape`."""
    yield from _turned(value, shape)
    if value.shape != shape and value.size == int(np.prod(shape)):
        yield value.reshape(shape)
    if value.shape != shape and len(shape) == value.ndim and _holds(value.shape, shape):
        yield value[tuple(slice(0, length) for length in shape)]  # as positions are, from the first
    yield from _parts(value, shape)


def _parts(value: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield the parts of a stacked parameter that have `shape`, either way round.

    One of its rows along an axis, or one of several equal pieces of its first axis.
    """
    own = tuple(length for length in shape if length != 1)
    for axis in range(value.ndim if value.ndim == len(own) + 1 else 0):
        for row in np.moveaxis(value, axis, 0)[:MOST_PARTS]:
            yield from (turned.reshape(shape) for turned in _turned(row, own))
    for way in {shape, shape[::-1]} if value.ndim == len(shape) < 3 else ():
        count, rest = divmod(value.shape[0], way[0]) if way and way[0] else (0, 1)
        if not rest and 1 < count <= MOST_PARTS and value.shape[1:] == way[1:]:
            for piece in np.split(value, count):
                yield from _turned(piece, shape)


def _turned(value: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    if value.shape == shape:
        yield value
    if value.ndim == 2 and value.T.shape == shape:
        yield value.T


def _holds(whole: Sequence[int], part: Sequence[int]) -> bool:
    return all(length <= most for length, most in zip(part, whole, strict=True))


def _folded_pairs(region: Region) -> Iterator[Expected]:
    sites = region.reference.sites
    norms = [site for site in sites if operator(site) == "batch_norm"]
    layers = [site for site in sites if operator(site) in _KERNELS and site.weights]
    for norm in norms:
        before = [layer for layer in layers if layer.name in norm.inputs]
        for layer in before or layers:  # of parallel branches each has a norm of its own
            yield from _folded(region, layer, norm)


def _folded(region: Region, layer: Site, norm: Site) -> Iterator[Expected]:
    kernel, bias = (*_wide(region, layer), None)[:2]
    gamma, beta, mean, variance = _statistics(_wide(region, norm), norm)
    axis = 1 if layer.attributes.get("transposed") else 0
    if kernel is None or mean is None or variance is None or kernel.shape[axis] != variance.size:
        return
    gain = (1.0 if gamma is None else gamma) / np.sqrt(variance + norm.attributes.get("eps", 1e-5))
    shape = [1] * kernel.ndim
    shape[axis] = -1
    shifted = ((0.0 if bias is None else bias) - mean) * gain + (0.0 if beta is None else beta)
    own = layer.weights[0].rpartition(".")[0]
    folded = f"(with {norm.weights[0].rpartition('.')[0]} folded in)"
    weight = (kernel * gain.reshape(shape)).astype(np.float32)
    yield Expected(f"{own}.weight {folded}", weight, FOLDING)
    yield Expected(f"{own}.bias {folded}", shifted.astype(np.float32), FOLDING)


def _wide(region: Region, site: Site) -> list[Array | None]:
    values = (_value(region, name) for name in site.weights)
    return [None if value is None else value.astype(np.float64) for value in values]


def _statistics(values: Sequence[Array | None], norm: Site) -> Sequence[Array | None]:
    """Return gain, shift, mean and variance; None where the norm has none."""
    if len(values) == 4:
        return values
    running = len(values) == 2 and norm.weights[-1].endswith("var")
    return (None, None, *values) if running else (None,) * 4


def _recurrent(region: Region) -> Iterator[Expected]:
    """Yield W, R and B as ONNX has them: directions first, gates in its order, both biases."""
    found: dict[tuple[str, str, str], list[tuple[str, Array]]] = {}
    for name in _names(region):
        parts, value = _RECURRENT.fullmatch(name), _value(region, name)
        if parts and value is not None:
            layer = parts[1], parts[4], parts[2] + (parts[3] if parts[2] == "weight" else "")
            found.setdefault(layer, []).append((parts[5] or "", value))
    for (scope, number, kind), members in found.items():
        hidden = found.get((scope, number, "weighthh"), [("", np.empty((0, 0)))])[0][1].shape[1]
        directions: dict[str, list[Array]] = {}
        for direction, value in members:
            directions.setdefault(direction, []).append(_reordered(value, hidden))
        stacked = np.stack([np.concatenate(parts) for parts in directions.values()])
        shown = "bias" if kind == "bias" else f"weight_{kind.removeprefix('weight')}"
        yield Expected(f"{scope}{shown}_l{number} (gates in ONNX's order)", stacked)


def _reordered(value: Array, hidden: int) -> Array:
    """Return a parameter with its gates in ONNX's order; hidden: elements of a gate."""
    order = _GATES.get(len(value) // hidden if hidden else 0)
    if order is None:
        return value
    gates = np.split(value, len(order))
    return np.concatenate([gates[k] for k in order])
