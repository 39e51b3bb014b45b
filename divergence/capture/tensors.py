"""Tensors, their arrays, and the nested structures that models take and return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.records import Array

if TYPE_CHECKING:
    from torch import Tensor


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what a nested structure holds, depth first, with dotted paths.

    Tuples and lists count from 0, mappings give their keys, dataclasses their fields.

    >>> list(leaves({"boxes": 1, "aux": (2, 3)}))
    [('boxes', 1), ('aux.0', 2), ('aux.1', 3)]
    """
    items: Any
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        items = zip(value._fields, value, strict=True)
    elif isinstance(value, tuple | list):
        items = enumerate(value)
    elif is_dataclass(value) and not isinstance(value, type):
        items = ((f.name, getattr(value, f.name)) for f in fields(value))
    else:
        yield path, value
        return
    for key, item in items:
        yield from leaves(item, f"{path}.{key}" if path else str(key))


def convert(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the structure of tuples, lists and mappings with `change` applied to each leaf."""
    if isinstance(value, Mapping):
        return {key: convert(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[convert(item, change) for item in value])
    if isinstance(value, tuple | list):
        return type(value)([convert(item, change) for item in value])
    return change(value)


def tensors(value: Any) -> list[Tensor]:
    """Return the tensors in a nested structure, in order."""
    from torch import Tensor

    if isinstance(value, Tensor):
        return [value]
    if type(value) in {tuple, list}:
        return [tensor for item in value for tensor in tensors(item)]
    return [leaf for _, leaf in leaves(value) if isinstance(leaf, Tensor)]


def is_plain(tensor: Tensor) -> bool:
    """Return whether a tensor holds one value in each place of one shape.

    Nested tensors have no single shape, and what `vmap` batches cannot be read inside it.
    """
    import torch

    batched = torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # noqa: SLF001  no other way
    return not (tensor.is_nested or batched)


def dtype_name(tensor: Tensor) -> str:
    """Return the dtype in numpy's words, or "bfloat16" and the like where numpy has none."""
    return str(tensor.dtype).removeprefix("torch.")


def to_array(tensor: Tensor) -> Array:
    """Return a read-only array; it shares the tensor's memory where that is on the CPU.

    bfloat16 and the 8-bit floats come as the types of `ml_dtypes`.
    """
    try:
        array: Array = tensor.numpy()
    except (RuntimeError, TypeError):
        array = _unusual(tensor)
    array.flags.writeable = False
    return array


def to_tensor(array: Any) -> Tensor:
    """Return a tensor that owns a copy of the array's values."""
    import torch

    array = np.asarray(array)
    if array.dtype.name in _extended_types():
        bits = np.dtype(f"int{8 * array.dtype.itemsize}")
        same = torch.from_numpy(np.array(array, order="C").view(bits))
        return same.view(getattr(torch, array.dtype.name))
    native = array.dtype.newbyteorder("=")
    return torch.from_numpy(np.array(array, dtype=native, order="C"))


def _unusual(tensor: Tensor) -> Array:
    """Return the array of a tensor that numpy cannot take as it is."""
    import torch

    tensor = tensor.detach()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    if dtype_name(tensor) not in _extended_types():
        return tensor.numpy()
    bits = torch.int16 if tensor.element_size() == 2 else torch.int8
    array: Array = tensor.view(bits).numpy()
    return array.view(_extended_types()[dtype_name(tensor)])


@cache
def _extended_types() -> dict[str, np.dtype[Any]]:
    import ml_dtypes

    names = ("bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
    return {name: np.dtype(getattr(ml_dtypes, name)) for name in names}
