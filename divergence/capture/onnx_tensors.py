"""Tensors of an ONNX file: read where they lie, when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from math import prod
from mmap import ACCESS_READ, mmap
from os import stat_result
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakValueDictionary, ref

import numpy as np

from divergence.errors import LoadError
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import TensorProto

# Tensors below this size stay in the graph: shape inference and rewriting read them there.
INLINE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor whose bytes lie outside the graph: on disk, or in the loaded file's memory.

    view: gives the values read-only, as they lie: on disk they are mapped and may be askew, which
    numpy can read. read: the same in places that any code can read; where that takes a copy, all
    who hold it share one.
    """

    name: str
    shape: tuple[int, ...]
    element: int
    view: Callable[[], Array] = field(repr=False, compare=False)
    read: Callable[[], Array] = field(repr=False, compare=False)


@cache
def dtype_word(element: int) -> str | None:
    """Return the dtype of an ONNX element type in numpy's words ("bfloat16" and the like too).

    >>> dtype_word(1), dtype_word(16), dtype_word(8), dtype_word(0)
    ('float32', 'bfloat16', 'str', None)
    """
    from onnx import TensorProto, helper

    if element == TensorProto.STRING:
        return "str"
    if element == TensorProto.UNDEFINED or element not in TensorProto.DataType.values():
        return None
    return str(helper.tensor_dtype_to_np_dtype(element).name)


def element_of(word: str | None) -> int:
    """Return the ONNX element type of a dtype, or of a type as ONNX Runtime writes it; else 0.

    >>> element_of("float32"), element_of("tensor(bfloat16)"), element_of("seq(tensor(float))")
    (1, 16, 0)
    """
    return _elements().get(word or "", 0)


@cache
def _elements() -> dict[str, int]:
    from onnx import TensorProto

    elements: dict[str, int] = {}
    for name, element in TensorProto.DataType.items():
        word = dtype_word(element)
        if word is not None:
            elements[word] = element
            elements[f"tensor({name.lower()})"] = element
    return elements


def item_bytes(element: int) -> int:
    """Return the bytes of one element, as an array holds it."""
    from onnx import TensorProto, helper

    if element in (TensorProto.STRING, TensorProto.UNDEFINED):
        return 64
    return int(helper.tensor_dtype_to_np_dtype(element).itemsize)


def value_of(tensor: TensorProto) -> Array:
    """Return the values of a tensor that is held in the graph."""
    from onnx import numpy_helper

    array: Array = numpy_helper.to_array(tensor)
    if array.flags.writeable:
        array.flags.writeable = False
    return array


def mapped(tensor: TensorProto, model: Path) -> Stored:
    """Return a tensor whose bytes are in the model's file, or in the one beside it that it names.

    Raises:
        LoadError: the file is missing, too short, or lies outside the folder.
    """
    path, offset, _ = _place(tensor, model)
    view = partial(_map, path, offset, _signature(tensor))
    return Stored(tensor.name, tuple(tensor.dims), tensor.data_type, view, _Aligned(view))


def hold(tensor: TensorProto, model: Path) -> None:
    """Read in what a tensor keeps in a data file.

    Raises:
        LoadError: as `mapped`.
    """
    path, offset, length = _place(tensor, model)
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(length)
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    tensor.raw_data = data


def _place(tensor: TensorProto, model: Path) -> tuple[Path, int, int]:
    """Return the file, and offset and length in it; a length of -1 reaches to the end."""
    place = {entry.key: entry.value for entry in tensor.external_data}
    path, folder = model, model.parent
    if "location" in place:
        # By its words: where links beside the model lead to is up to who made them, as a cache of
        # downloads does.
        path = Path(normpath(folder / place["location"]))
    if path is not model and not path.is_relative_to(normpath(folder)):
        raise LoadError(
            f"The weight {tensor.name!r} refers to {place['location']!r}, which lies outside "
            f"the model's folder; put the file beside the model and export it again."
        )
    if not path.is_file():
        raise LoadError(
            f"The weight {tensor.name!r} is stored in {path.name!r}, which is not beside the "
            f"model in {folder}; copy the data file there too."
        )
    return path, int(place.get("offset", 0)), int(place.get("length", -1))


def detached(tensor: TensorProto) -> Stored:
    """Return a tensor that has been held in the graph, without copying raw bytes twice."""
    if not tensor.HasField("raw_data"):
        return held(tensor.name, tensor.data_type, value_of(tensor))
    read = partial(_view, tensor.raw_data, _signature(tensor))
    return Stored(tensor.name, tuple(tensor.dims), tensor.data_type, read, read)


def held(name: str, element: int, array: Array) -> Stored:
    """Return a tensor whose values are at hand."""
    return Stored(name, array.shape, element, lambda: array, lambda: array)


def is_packed(element: int) -> bool:
    """Tell types that hold several elements in a byte, and strings: they stay in the graph."""
    word = dtype_word(element)
    return word is None or word == "str" or any(bits in word for bits in ("int4", "int2", "e2m1"))


_Signature = tuple[str, tuple[int, ...], Any]


def _signature(tensor: TensorProto) -> _Signature:
    from onnx import helper

    return tensor.name, tuple(tensor.dims), helper.tensor_dtype_to_np_dtype(tensor.data_type)


def _view(data: bytes, signature: _Signature) -> Array:
    _, shape, dtype = signature
    return np.frombuffer(data, dtype=dtype.newbyteorder("<")).reshape(shape)


def _map(path: Path, offset: int, signature: _Signature) -> Array:
    name, shape, dtype = signature
    if not all(shape):
        return np.empty(shape, dtype)
    count = prod(shape)
    needed = offset + count * dtype.itemsize
    state = path.stat()
    if state.st_size < needed:
        raise LoadError(
            f"The data file {path.name!r} ends at byte {state.st_size}, but the weight {name!r} "
            f"reaches to byte {needed}; the file is truncated: copy it again."
        )
    return np.frombuffer(_mapping(path, state), dtype, count, offset).reshape(shape)


# By what tells a file from one that was written over it. To map a file takes longer than to read
# most of its weights, so all share one mapping, which is closed with the last of their arrays.
_mappings: WeakValueDictionary[tuple[int, ...], mmap] = WeakValueDictionary()


def _mapping(path: Path, state: stat_result) -> mmap:
    key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    mapping = _mappings.get(key)
    if mapping is None:
        with path.open("rb") as file:
            mapping = _mappings[key] = mmap(file.fileno(), 0, access=ACCESS_READ)
    return mapping


class _Aligned:
    """Reads a view, through a copy where it lies askew, for as long as somebody holds that."""

    def __init__(self, view: Callable[[], Array]) -> None:
        self._view = view
        self._copy: ReferenceType[Array] | None = None

    def __call__(self) -> Array:
        copy = self._copy() if self._copy is not None else None
        if copy is not None:
            return copy
        array = self._view()
        if not array.flags.aligned:
            array = np.array(array)
            array.flags.writeable = False
            self._copy = ref(array)
        return array
