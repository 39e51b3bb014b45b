"""ONNX files read as bare protobuf wire format, so that no weight is ever touched.

A file of many gigabytes is mapped into memory and walked by its length prefixes: big fields
(tensor data) are stepped over, the rest is copied to a skeleton that protobuf can parse.
Field numbers are those of `onnx.proto`; the wire format is that of
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path

from divergence.errors import LoadError

_BIG = 1024  # bytes; tensor data up to this size (shapes, scalars) stays in the skeleton
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# What may be big, by message and field number: None is dropped when big, a mapping is walked.
_Schema = Mapping[int, "_Schema | None"]
_TENSOR: _Schema = dict.fromkeys((4, 5, 6, 7, 9, 10, 11))
_SPARSE: _Schema = {1: _TENSOR, 2: _TENSOR}
_GRAPH: dict[int, _Schema | None] = {5: _TENSOR, 15: _SPARSE}
_ATTRIBUTE: dict[int, _Schema | None] = {
    **dict.fromkeys((4, 7, 8, 9)),  # a string, floats, ints, strings
    **dict.fromkeys((5, 10), _TENSOR),
    **dict.fromkeys((6, 11), _GRAPH),
    **dict.fromkeys((22, 23), _SPARSE),
}
_NODE: _Schema = {5: _ATTRIBUTE}
_GRAPH[1] = _NODE
_MODEL: _Schema = {7: _GRAPH, 25: {7: _NODE}}

# ModelProto's fields and the wire type of each.
_MODEL_FIELDS = {
    **dict.fromkeys((1, 5), _VARINT),
    **dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _BYTES),
}


class TruncatedError(LoadError):
    """A protobuf message ends before its own lengths say."""


def looks_like_model(path: Path) -> bool:
    """Say whether a file's top level is that of an ONNX `ModelProto`, complete or cut short."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        seen = set()
        try:
            for number, wire, _, _ in _fields(data, 0, len(data)):
                if _MODEL_FIELDS.get(number) != wire:
                    return False
                seen.add(number)
        except TruncatedError:
            # Text can start with a byte that reads as a field: ir_version must have come first.
            return 1 in seen
        except ValueError:
            return False
        return 7 in seen


def skeleton(path: Path) -> bytes:
    """Return the file's `ModelProto` without tensor data of more than 1 KiB.

    Raises:
        TruncatedError: the file ends too early.
        LoadError: not protobuf.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _strip(data, 0, len(data), _MODEL)
        except TruncatedError as error:
            raise TruncatedError(f"'{path}' is truncated: {error}") from None
        except ValueError as error:
            raise LoadError(f"'{path}' is damaged: {error}.") from None


def _strip(data: mmap.mmap, start: int, end: int, schema: _Schema) -> bytes:
    parts = []
    kept = start  # everything from here to the field at hand is kept as it stands
    for number, wire, begin, (body, stop) in _fields(data, start, end):
        if wire != _BYTES or number not in schema:
            continue
        inner = schema[number]
        if inner is not None:
            message = _strip(data, body, stop, inner)
            if len(message) == stop - body:
                continue
            parts += [data[kept:begin], _varint(number << 3 | _BYTES), _varint(len(message))]
            parts.append(message)
            kept = stop
        elif stop - body > _BIG:
            parts.append(data[kept:begin])
            kept = stop
    parts.append(data[kept:end])
    return b"".join(parts)


def _fields(
    data: mmap.mmap, start: int, end: int
) -> Iterator[tuple[int, int, int, tuple[int, int]]]:
    """Give (field number, wire type, where the field begins, (where its body begins, ends))."""
    at = start
    while at < end:
        begin = at
        key, at = _read_varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _BYTES:
            length, at = _read_varint(data, at, end)
        elif wire == _VARINT:
            length = _read_varint(data, at, end)[1] - at
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {begin}")
        if at + length > end:
            raise TruncatedError(
                f"it says {at + length - end:,} bytes more than the {end:,} that there are."
            )
        yield number, wire, begin, (at, at + length)
        at += length


def _read_varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at byte {at}")
    raise TruncatedError(f"it ends inside a number, at byte {end:,}.")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
