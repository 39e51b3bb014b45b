"""What an ONNX model is fed, checked against what it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.capture.onnx_tensors import dtype_word
from divergence.errors import InputError, nearest
from divergence.records import Array, Call

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto


def feeds_of(model: ModelProto, call: Call, name: str) -> dict[str, Array]:
    """Return the arrays for the model's inputs, by name, in the model's order.

    Raises:
        InputError: an array is missing, has no input, or differs in type, rank or size.
    """
    held = {tensor.name for tensor in model.graph.initializer}
    declared = {v.name: v for v in model.graph.input if v.name not in held or v.name in call.kwargs}
    if call.args:
        raise InputError(f"{name} takes its inputs by name: {_listed(declared)}.")
    for key in call.kwargs:
        if key not in declared:
            raise InputError(
                f"{name} has no input {key!r}; its inputs are {_listed(declared)}."
                f"{nearest(key, declared)}"
            )
    missing = [key for key in declared if key not in call.kwargs]
    if missing:
        raise InputError(f"{name} needs {_listed(missing)} too: give one array for each input.")
    return {key: _checked(call.kwargs[key], value, name) for key, value in declared.items()}


def _checked(value: Any, declared: ValueInfoProto, name: str) -> Array:
    kind = declared.type.WhichOneof("value")
    if kind not in (None, "tensor_type"):
        raise InputError(
            f"The input {declared.name!r} of {name} is a {str(kind).removesuffix('_type')}; only "
            f"tensors can be fed: export the model with tensor inputs."
        )
    array = np.asarray(value)
    tensor = declared.type.tensor_type
    wanted = dtype_word(tensor.elem_type)
    got = "str" if array.dtype.kind in "OUS" else array.dtype.name
    if wanted is not None and wanted != got:
        raise InputError(
            f"The input {declared.name!r} of {name} is {wanted}, but got {got}; convert the array."
        )
    if tensor.HasField("shape"):
        sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        fits = len(sizes) == array.ndim and all(
            want in (None, size) for want, size in zip(sizes, array.shape, strict=True)
        )
        if not fits:
            text = "x".join("?" if size is None else str(size) for size in sizes)
            got = "x".join(map(str, array.shape))
            raise InputError(
                f"The input {declared.name!r} of {name} is {text or 'a scalar'}, but got "
                f"{got or 'a scalar'}; give an array of that shape."
            )
    return array


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names)
