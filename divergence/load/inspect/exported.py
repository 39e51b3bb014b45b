"""A `torch.export` archive: its graph is JSON."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from divergence.errors import LoadError
from divergence.load.inspect import words
from divergence.load.kinds import Kind

_LEGACY = "serialized_exported_program.json"
# torch/_export/serde/schema.py, ScalarType
_DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    34: "uint32",
}


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """Return inputs, outputs, operators, module tree and weights of each program in it."""
    del kind
    programs = {name: _program(held) for name, held in _documents(path)}
    if not programs:
        return {"programs": {}, "note": "it holds no exported program (compiled code only?)"}
    return next(iter(programs.values())) if len(programs) == 1 else {"programs": programs}


def _documents(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            in_models = name.partition("/")[2].startswith("models/") and name.endswith(".json")
            if name == _LEGACY or in_models:
                try:
                    yield Path(name).stem, json.loads(archive.read(name))
                except ValueError as error:
                    raise LoadError(f"'{path}' is damaged: {name} is no JSON.") from error


def _program(document: Mapping[str, Any]) -> dict[str, Any]:
    module = document["graph_module"]
    graph, signature = module["graph"], module["signature"]
    tensors = graph.get("tensor_values", {})
    specs = [(key, spec) for entry in signature["input_specs"] for key, spec in entry.items()]
    outputs = [(key, spec) for entry in signature["output_specs"] for key, spec in entry.items()]
    held = {
        spec.get("parameter_name") or spec.get("buffer_name"): _tensor(spec["arg"]["name"], tensors)
        for key, spec in specs
        if key in ("parameter", "buffer")
    }
    return {
        "torch": document.get("torch_version"),
        "opset": document.get("opset_version"),
        "schema": ".".join(str(part) for part in document.get("schema_version", {}).values()),
        "inputs": dict(_values((s for k, s in specs if k == "user_input"), tensors)),
        "outputs": dict(_values((s for k, s in outputs if k == "user_output"), tensors)),
        "dynamic": document.get("range_constraints", {}),
        "nodes": len(graph["nodes"]),
        "operators": words.counted(
            node["target"].removeprefix("torch.ops.") for node in graph["nodes"]
        ),
        "modules": _modules(graph["nodes"]),
        "weights": _weights(held.values()),
        "state": {name: words.tensor(*item) for name, item in held.items()},
    }


def _tensor(name: str, tensors: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    held = tensors.get(name, {})
    dtype = _DTYPES.get(held.get("dtype", 0), "unknown")
    return dtype, tuple(_size(size) for size in held.get("sizes", ()))


def _size(size: Mapping[str, Any]) -> int | str:
    if "as_int" in size:
        return int(size["as_int"])
    # An expression as sympy writes it for its own use: Mul(Integer(2), Symbol('s7', ...)).
    text = str(size.get("as_expr", {}).get("expr_str", "?"))
    text = re.sub(r"Symbol\('(\w+)'[^)]*\)", r"\1", text)
    return re.sub(r"Integer\((-?\d+)\)", r"\1", text)


def _values(specs: Any, tensors: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for place, spec in enumerate(specs):
        ((kind, held),) = spec["arg"].items()
        if kind == "as_tensor":
            yield held["name"], words.tensor(*_tensor(held["name"], tensors))
        else:
            yield str(place), {kind.removeprefix("as_"): held}


def _modules(nodes: Any) -> dict[str, str]:
    """Read the tree from the stack that each node carries: `key,name,class;key,name,class`."""
    found: dict[str, str] = {}
    for node in nodes:
        for level in (node.get("metadata") or {}).get("nn_module_stack", "").split(";"):
            parts = level.split(",")
            if len(parts) == 3:
                found.setdefault(parts[1] or "<root>", parts[2])
    return found


def _weights(held: Any) -> dict[str, Any]:
    tensors = list(held)
    return {
        "tensors": len(tensors),
        "values": sum(prod(s for s in shape if isinstance(s, int)) for _, shape in tensors),
        "dtypes": words.counted(dtype for dtype, _ in tensors),
    }
