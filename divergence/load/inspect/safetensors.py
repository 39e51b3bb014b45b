"""A safetensors file: the JSON header before its tensors."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from typing import Any

from divergence.errors import LoadError
from divergence.load.inspect import words
from divergence.load.kinds import Kind

# https://github.com/huggingface/safetensors: the header's words, in numpy's
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "BOOL": "bool",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
}


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """Return metadata, weights and the tree of names."""
    del kind
    header = _header(path)
    metadata = header.pop("__metadata__", {})
    end = max((item["data_offsets"][1] for item in header.values()), default=0)
    room = path.stat().st_size - 8 - _length(path)
    if end > room:
        raise LoadError(f"'{path}' is truncated: its tensors need {end:,} bytes of {room:,}.")
    held = {k: (_DTYPES.get(v["dtype"], v["dtype"]), v["shape"]) for k, v in header.items()}
    return {
        "holds": "weights (needs --factory)",
        "metadata": metadata,
        "weights": {
            "tensors": len(held),
            "values": sum(prod(shape) for _, shape in held.values()),
            "dtypes": words.counted(dtype for dtype, _ in held.values()),
        },
        "content": words.tree({name: words.tensor(*item) for name, item in held.items()}),
    }


def _length(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(8), "little")


def _header(path: Path) -> dict[str, Any]:
    length = _length(path)
    with path.open("rb") as file:
        file.seek(8)
        text = file.read(length)
    try:
        header: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise LoadError(f"'{path}' is damaged: its header is no JSON ({error}).") from error
    return header
