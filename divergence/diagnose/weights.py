"""The parameters that a correct candidate would hold in a segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.suspect import Region
from divergence.records import Array

if TYPE_CHECKING:
    from torch import nn


# Folding in float32 takes a division, a root and two products: some units in the last place.
FOLDING = 16 * float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Expected:
    """A parameter by its qualified name, or one that folding makes of several.

    rounding: how far a correct copy may be off, relative to the greatest element.
    """

    name: str
    value: Array
    rounding: float = 0.0


def expected_weights(region: Region) -> Iterator[Expected]:
    """Yield the parameters that the reference's segment reads, and what folding makes of them.

    A batch norm behind a convolution is usually folded into it by an exporter or an optimiser:
    W' = W g, b' = (b - mean) g + beta with g = gamma / sqrt(variance + epsilon). Those come
    first where the segment has no such node.
    """
    folded = list(_folded_pairs(region))
    if region.node("BatchNormalization"):
        yield from (*_read(region), *folded)
    else:
        yield from (*folded, *_read(region))


def _read(region: Region) -> Iterator[Expected]:
    read = (name for site in region.reference.sites for name in site.weights)
    for name in dict.fromkeys(read):
        weight = region.reference_weights.get(name)
        if weight is not None:
            yield Expected(name, weight.load())


def _folded_pairs(region: Region) -> Iterator[Expected]:
    modules = region.modules()
    norms = [(n, m) for n, m in modules if _is_frozen_norm(m)]
    for conv_name, conv in modules:
        if type(conv).__name__.startswith(("Conv", "Linear")):
            for norm_name, norm in norms:
                yield from _folded(conv_name, conv, norm_name, norm)


def layouts(value: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield `value` in the layouts an exporter may have given it to have `shape`."""
    if value.shape == shape:
        yield value
    if value.ndim == 2 and value.T.shape == shape:
        yield value.T
    if value.shape != shape and value.size == int(np.prod(shape)):
        yield value.reshape(shape)


def _is_frozen_norm(module: nn.Module) -> bool:
    return getattr(module, "running_var", None) is not None


def _folded(conv_name: str, conv: Any, norm_name: str, norm: Any) -> Iterator[Expected]:
    variance, mean = array_of(norm.running_var), array_of(norm.running_mean)
    kernel = array_of(conv.weight)
    axis = 1 if type(conv).__name__.startswith("ConvTranspose") else 0
    if kernel.shape[axis] != variance.size:
        return
    gamma = array_of(norm.weight) if norm.weight is not None else np.ones_like(variance)
    beta = array_of(norm.bias) if norm.bias is not None else np.zeros_like(variance)
    gain = gamma / np.sqrt(variance + norm.eps)
    shape = [1] * kernel.ndim
    shape[axis] = -1
    bias = array_of(conv.bias) if conv.bias is not None else np.zeros_like(variance)
    yield Expected(
        f"{conv_name}.weight (with {norm_name} folded in)",
        (kernel * gain.reshape(shape)).astype(np.float32),
        FOLDING,
    )
    yield Expected(
        f"{conv_name}.bias (with {norm_name} folded in)",
        ((bias - mean) * gain + beta).astype(np.float32),
        FOLDING,
    )


def array_of(tensor: Any) -> Array:
    """Return a tensor's values in float64."""
    return np.asarray(tensor.detach().cpu().double().numpy())
