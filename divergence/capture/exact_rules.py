"""Operators whose float64 counterpart is not the same operator on float64 operands.

A rule takes the operator's arguments by name, with float64 tensors, and the result that the
program got; it returns the exact results in the same order, or None to run the operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from divergence.capture.exact_convolution import convolution

if TYPE_CHECKING:
    from torch import Tensor

Given = Mapping[str, Any]
Rule = Callable[[Given, Any], Any]


def _at_indices(given: Given, result: Any) -> Any:
    """Take the values where the program took them: `sort`, `topk`, `max` along a dimension."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        return None
    indices, source = result[1], given["self"]
    if source.dim() == 0:
        return source.clone(), indices
    dim = given.get("dim", -1)
    if indices.dim() == source.dim():
        return source.gather(dim, indices), indices
    return source.gather(dim, indices.unsqueeze(dim)).squeeze(dim), indices


def _pooled_at_indices(dimensions: int, given: Given, result: Any) -> Any:
    """Take the maxima where the program found them; indices count within the pooled plane."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        return None
    indices, source = result[1], given["self"]
    flat = source.flatten(-dimensions).gather(-1, indices.flatten(-dimensions))
    return flat.unflatten(-1, indices.shape[-dimensions:]), indices


def _dropout(given: Given, result: Any) -> Any:
    """Drop what the program dropped."""
    mask = result[1]
    keep = 1 - given["p"]
    return (given["input"] * mask / keep if keep else given["input"] * 0), mask


def _lstm_layer(given: Given, result: Any) -> Any:
    """One direction of one layer, which oneDNN has in float32 alone: the native one instead.

    Input and output are (steps, batch, features), both in the order of time.
    """
    steps: Tensor = given["input"]
    weights = [given[f"weight{i}"] for i in range(4 if given["has_biases"] else 2)]
    state = tuple(given[name].reshape(1, steps.shape[1], -1) for name in ("hx_", "cx_"))
    if given["reverse"]:
        steps = steps.flip(0)
    output, hidden, cell = torch.lstm(
        steps, state, weights, given["has_biases"], 1, 0.0, False, False, False
    )
    if given["reverse"]:
        output = output.flip(0)
    own = result[1]
    return output, hidden.reshape(own.shape), cell.reshape(result[2].shape)


def _nan_to_num(given: Given, result: Any) -> Any:
    """Replace infinities by what the program's own precision has for them."""
    limits = torch.finfo(result.dtype)
    high = limits.max if given.get("posinf") is None else given["posinf"]
    low = limits.min if given.get("neginf") is None else given["neginf"]
    return torch.nan_to_num(given["self"], given.get("nan") or 0.0, high, low)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(
        ("topk", "sort", "max", "min", "median", "nanmedian", "kthvalue", "mode"), _at_indices
    ),
    **dict.fromkeys(("cummax", "cummin"), _at_indices),
    **dict.fromkeys(("max_pool2d", "adaptive_max_pool2d"), partial(_pooled_at_indices, 2)),
    **dict.fromkeys(("max_pool3d", "adaptive_max_pool3d"), partial(_pooled_at_indices, 3)),
    "convolution": convolution,
    "dropout": _dropout,
    "lstm_layer": _lstm_layer,
    "nan_to_num": _nan_to_num,
}
