"""Convolutions in float64, strip by strip.

In float64 PyTorch lays out, for every place of the output, all that the kernel covers there,
and multiplies matrices: 5 GB for 64 channels of 1024 x 1024 under a kernel of 3 x 3, where the
values take 0.5 GB. In strips that the cache holds the same takes half the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

# Bytes of what is laid out at once; smaller and larger strips are no faster, and below twice as
# much the whole is not slower either (64 to 192 channels, 56 x 56 to 512 x 512, two threads).
STRIP_BYTES = 16 * 2**20
WORTHWHILE_BYTES = 2 * STRIP_BYTES


def convolution(given: Mapping[str, Any], result: Tensor) -> Tensor | None:
    """Return the convolution, computed along its first axis in space in strips.

    None where PyTorch lays nothing out, or little.
    """
    weight: Tensor = given["weight"]
    kernel = weight.shape[2:]
    if given["transposed"] or prod(kernel) == 1:
        return None
    batch, _, length, *rest = result.shape
    row = batch * given["input"].shape[1] * prod(kernel) * prod(rest) * weight.element_size()
    if row * length < WORTHWHILE_BYTES:
        return None
    whole = torch.empty_like(result, dtype=weight.dtype)
    step = max(1, STRIP_BYTES // row)
    for start in range(0, length, step):
        strip = whole[:, :, start : start + step]
        strip.copy_(_strip(given, start, start + strip.shape[2]))
    return whole


def _strip(given: Mapping[str, Any], start: int, stop: int) -> Tensor:
    """Return the output from `start` to `stop` along the first axis in space."""
    source, weight = given["input"], given["weight"]
    axes = source.dim() - 2
    stride, padding, dilation = (
        _each(given[name], axes) for name in ("stride", "padding", "dilation")
    )
    first = start * stride[0] - padding[0]
    last = (stop - 1) * stride[0] - padding[0] + dilation[0] * (weight.shape[2] - 1) + 1
    begin, end = (min(max(place, 0), source.shape[2]) for place in (first, last))
    part = source[:, :, begin:end]
    if begin - first or last - end:
        before, behind = max(min(begin, last) - first, 0), max(last - max(end, first), 0)
        part = torch.nn.functional.pad(part, (*(0, 0) * (axes - 1), before, behind))
    return torch.convolution(
        part,
        weight,
        given["bias"],
        stride,
        [0, *padding[1:]],
        dilation,
        False,
        [0] * axes,
        given["groups"],
    )


def _each(value: Sequence[int], axes: int) -> list[int]:
    """Return a setting of every axis, of which one may stand for all."""
    return list(value) * axes if len(value) == 1 else list(value)
