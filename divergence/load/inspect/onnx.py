"""An ONNX file: inputs, outputs, operators, who exported it, where its weights are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.capture.onnx_scopes import metadata_scope, name_scope
from divergence.errors import SpecError
from divergence.load.inspect import words
from divergence.load.kinds import Kind
from divergence.load.onnx_model import data_files, graph_inputs, read_head, value_type
from divergence.preparation.sources import from_metadata
from divergence.preparation.spec import to_document

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

_LONG = 200  # characters of a metadata value that are shown


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """Return what the file says of itself."""
    del kind
    model = read_head(path)
    graph = model.graph
    told = {
        "ir_version": model.ir_version,
        "opset": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "exporter": _exporter(model),
        "inputs": {value.name: _type(value) for value in graph_inputs(graph)},
        "outputs": {value.name: _type(value) for value in graph.output},
        "nodes": len(graph.node),
        "operators": words.counted(_operators(graph.node)),
        "modules": list(dict.fromkeys(_scopes(graph.node))),
        "functions": [f"{f.domain}.{f.name}" for f in model.functions],
        "weights": _weights(graph.initializer),
        "external_data": _data(path, model),
        "metadata": {e.key: _short(e.value) for e in model.metadata_props},
        "preparation": _preparation(model),
    }
    return {key: value for key, value in told.items() if value or key == "nodes"}


def _exporter(model: ModelProto) -> str:
    producer = f"{model.producer_name} {model.producer_version}".strip()
    if model.producer_name != "pytorch":
        return producer or "unknown"
    dynamo = any(e.key.startswith("pkg.torch") for n in model.graph.node for e in n.metadata_props)
    return f"{producer} ({'dynamo' if dynamo else 'TorchScript'} exporter)"


def _type(value: ValueInfoProto) -> str:
    dtype, shape = value_type(value)
    return words.tensor(dtype, shape) if dtype else value.type.WhichOneof("value") or "unknown"


def _operators(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """Yield the type of each node, those of bodies too."""
    for node in nodes:
        yield f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _operators(body.node)


def _scopes(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """Yield the module that each node was exported from, where the exporter left its name."""
    for node in nodes:
        scope = metadata_scope({entry.key: entry.value for entry in node.metadata_props})
        scope = name_scope(node.name, node.op_type) if scope is None else scope
        if scope:
            yield scope


def _weights(tensors: Iterable[TensorProto]) -> dict[str, Any]:
    from math import prod

    from onnx.helper import tensor_dtype_to_np_dtype

    held = list(tensors)
    return {
        "tensors": len(held),
        "values": sum(prod(item.dims) for item in held),
        "dtypes": words.counted(tensor_dtype_to_np_dtype(item.data_type).name for item in held),
    }


def _data(path: Path, model: ModelProto) -> dict[str, str]:
    """Return the files that weights are kept in, and whether they are there."""
    found = {}
    for name, needed in data_files(model).items():
        file = path.parent / name
        size = file.stat().st_size if file.is_file() else None
        state = "missing" if size is None else "truncated" if size < needed else f"{size} bytes"
        found[name] = state
    return found


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}... ({len(text)} characters)"


def _preparation(model: ModelProto) -> Any:
    try:
        found = from_metadata({entry.key: entry.value for entry in model.metadata_props})
    except SpecError as error:
        return {"unreadable": str(error)}
    return {"from": found.origin, "steps": to_document(found.spec)} if found else None
