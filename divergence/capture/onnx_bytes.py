"""An ONNX file read without its weights: their bytes stay on disk.

Protobuf reads a message whole. The weights are nearly all of it, and reading them into fresh
memory takes longer than making a session of the file, so the fields are walked here first
(https://protobuf.dev/programming-guides/encoding) and what a weight holds is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from divergence.capture.onnx_tensors import INLINE_BYTES, is_packed

if TYPE_CHECKING:
    from onnx import ModelProto

# Numbers of fields in onnx.proto: of ModelProto, GraphProto, TensorProto, TensorProto.
_GRAPH, _INITIALIZER, _DATA_TYPE, _RAW_DATA = 7, 5, 2, 9
_PLACE = frozenset({_RAW_DATA, 13, 14})  # raw_data, external_data, data_location
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}


class MalformedError(ValueError):
    """The bytes are no protobuf message."""


def parse(path: Path) -> ModelProto:
    """Return the model of a file; raw data of its weights from 1 KiB on stay there.

    Such a weight refers to external data that has an offset and a length but no location: its
    bytes are in the model's own file.

    Raises:
        MalformedError: the fields do not fill the file. google.protobuf.message.DecodeError:
            one of them is not what an ONNX model has there.
    """
    from onnx import ModelProto

    if not path.stat().st_size:
        return ModelProto()
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        light = b"".join(_model(data))
    model = ModelProto()
    model.ParseFromString(light)
    return model


class _Field(NamedTuple):
    """One field: where it begins, where its payload begins, where both end."""

    number: int
    kind: int
    start: int
    payload: int
    stop: int


def _model(data: mmap) -> Iterator[bytes]:
    for field in _fields(data, 0, len(data)):
        if field.number == _GRAPH and field.kind == _LENGTH:
            yield _message(_GRAPH, b"".join(_graph(data, field)))
        else:
            yield data[field.start : field.stop]


def _graph(data: mmap, graph: _Field) -> Iterator[bytes]:
    for field in _fields(data, graph.payload, graph.stop):
        large = field.stop - field.payload >= INLINE_BYTES
        if large and field.number == _INITIALIZER and field.kind == _LENGTH:
            yield _message(_INITIALIZER, b"".join(_tensor(data, field)))
        else:
            yield data[field.start : field.stop]


def _tensor(data: mmap, tensor: _Field) -> Iterator[bytes]:
    fields = list(_fields(data, tensor.payload, tensor.stop))
    elements = [f for f in fields if f.number == _DATA_TYPE and f.kind == _VARINT]
    element = _read_varint(data, elements[-1].payload, tensor.stop)[0] if elements else 0
    raw = [f for f in fields if f.number == _RAW_DATA and f.kind == _LENGTH]
    length = raw[-1].stop - raw[-1].payload if raw else 0
    if length < INLINE_BYTES or is_packed(element):
        yield data[tensor.payload : tensor.stop]
        return
    for field in fields:
        if field.number not in _PLACE:
            yield data[field.start : field.stop]
    yield _reference(raw[-1].payload, length)


def _reference(offset: int, length: int) -> bytes:
    from onnx import TensorProto

    tensor = TensorProto(data_location=TensorProto.EXTERNAL)
    for key, value in (("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return bytes(tensor.SerializeToString())


def _message(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(payload)) + payload


def _fields(data: mmap, position: int, end: int) -> Iterator[_Field]:
    """Yield the fields of a message that fills `data[position:end]`."""
    while position < end:
        start = position
        tag, position = _read_varint(data, position, end)
        payload, kind = position, tag & 7
        if kind == _LENGTH:
            length, payload = _read_varint(data, position, end)
            position = payload + length
        elif kind == _VARINT:
            _, position = _read_varint(data, position, end)
        elif kind in _WIDTHS:
            position += _WIDTHS[kind]
        else:
            raise MalformedError(f"wire type {kind} at byte {start}")
        if position > end:
            raise MalformedError(f"the field at byte {start} reaches beyond its message")
        yield _Field(tag >> 3, kind, start, payload, position)


def _read_varint(data: mmap, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise MalformedError(f"a number at byte {position} does not end")


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
