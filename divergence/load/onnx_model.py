"""The ONNX file, looked at before a runtime sees it: complete, its data beside it, its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.errors import LoadError
from divergence.imports import is_callable_text
from divergence.load import protobuf
from divergence.load.kinds import CHECKPOINTS, Kind, kind_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

# Written by the dynamo exporter on each input. With it, an input's original name is that of the
# parameter, whatever `input_names` made of it.
_DYNAMO = "pkg.torch.export.graph_signature.InputSpec.kind"
_ORIGINAL = "pkg.torch.onnx.original_node_name"
_OF_TORCH = (*CHECKPOINTS, Kind.TORCHSCRIPT, Kind.EXPORTED, Kind.SAFETENSORS)
_ORDER = "the order is MODEL ONNX INPUT"


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """An input of the graph.

    dtype: in numpy's words, or "bfloat16"; None where it is no tensor.
    shape: a number, a symbol or None (unknown) for each axis; None where the rank is unknown.
    parameter: what `forward` calls it (`feats_0` for the first of a list `feats`), where the
        file says so.
    limit: exclusive bound of the integers that make sense: the rows of a table that it indexes.
    """

    name: str
    dtype: str | None = None
    shape: tuple[int | str | None, ...] | None = None
    parameter: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """A file or a model in memory, and what its head says.

    given: what a runner is made of. traced: exported by PyTorch's TorchScript exporter, which
    keeps the order of `forward` and lets the user choose names.
    """

    given: Path | ModelProto = field(repr=False)
    source: str
    inputs: tuple[OnnxInput, ...]
    outputs: tuple[str, ...]
    metadata: Mapping[str, str]
    traced: bool


def load_onnx(model: Any) -> OnnxModel:
    """Look at an ONNX model: a path, a `ModelProto`, or the `ONNXProgram` of an export.

    Weights are not read. Whether the runtime knows its operators shows when a session is made.

    Raises:
        LoadError: no such file, not ONNX, truncated, or a file of external data is missing.
    """
    from onnx import ModelProto

    if isinstance(model, str | Path):
        path = Path(model).expanduser()
        try:
            return _describe(_head(path), path, str(path))
        except (TypeError, ValueError, KeyError) as error:  # names that are no text, and the like
            raise LoadError(f"'{path}' is damaged: {type(error).__name__}: {error}.") from error
    proto = getattr(model, "model_proto", model)
    if not isinstance(proto, ModelProto):
        raise LoadError(
            f"The ONNX model is {type(model).__name__}; it is a path or an onnx.ModelProto."
        )
    return _describe(proto, proto, "ModelProto in memory")


def is_onnx(model: Any) -> bool:
    """Say whether MODEL is an ONNX model: then both sides are ONNX.

    Raises:
        LoadError: it is a path that cannot be read.
    """
    from onnx import ModelProto

    if isinstance(model, str | Path):
        return kind_of(Path(model).expanduser()) is Kind.ONNX
    return isinstance(getattr(model, "model_proto", model), ModelProto)


def read_head(path: Path) -> ModelProto:
    """Return the model without big tensors' values, whatever the size of the file.

    Raises:
        LoadError: the file is truncated or damaged.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        model: ModelProto = ModelProto.FromString(protobuf.skeleton(path))
    except DecodeError as error:
        raise LoadError(f"'{path}' is damaged: {error}.") from error
    return model


def data_files(model: ModelProto) -> dict[str, int]:
    """Return the files of external data that a model names, and the bytes needed of each."""
    needed: dict[str, int] = {}
    for tensor in _tensors(model.graph):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if location := entries.get("location"):
            end = int(entries.get("offset") or 0) + int(entries.get("length") or 0)
            needed[location] = max(end, needed.get(location, 0))
    return needed


def graph_inputs(graph: GraphProto) -> Iterator[ValueInfoProto]:
    """Yield what a caller feeds: the inputs that no initializer fills."""
    filled = {tensor.name for tensor in graph.initializer}
    return (value for value in graph.input if value.name not in filled)


def value_type(value: ValueInfoProto) -> tuple[str | None, tuple[int | str | None, ...] | None]:
    """Return (dtype, shape) of a value; (None, None) where it is no tensor."""
    from onnx.helper import tensor_dtype_to_np_dtype

    kind = value.type.tensor_type
    if not kind.elem_type:
        return None, None
    dtype = "str" if kind.elem_type == 8 else tensor_dtype_to_np_dtype(kind.elem_type).name
    if not kind.HasField("shape"):
        return dtype, None
    return dtype, tuple(
        axis.dim_value if axis.HasField("dim_value") else axis.dim_param or None
        for axis in kind.shape.dim
    )


def _head(path: Path) -> ModelProto:
    if is_callable_text(str(path)) and not path.exists():
        raise LoadError(f"ONNX is a file, and '{path}' is a factory; {_ORDER}.")
    kind = kind_of(path)
    if kind in _OF_TORCH:
        raise LoadError(f"'{path}' is {kind}, not an ONNX model; {_ORDER}.")
    if kind is not Kind.ONNX:
        raise LoadError(f"'{path}' is {kind}, not an ONNX model.")
    model = read_head(path)
    for name, size in data_files(model).items():
        data = path.parent / name
        if not data.is_file():
            raise LoadError(
                f"'{path}' keeps weights in '{name}', which is not beside it; copy both files."
            )
        if data.stat().st_size < size:
            raise LoadError(
                f"'{data}' is truncated: '{path.name}' needs {size:,} bytes of it, there are "
                f"{data.stat().st_size:,}."
            )
    return model


def _describe(model: ModelProto, given: Path | ModelProto, source: str) -> OnnxModel:
    if not model.graph.output:
        raise LoadError(f"'{source}' has no graph with outputs; export the model again.")
    limits = _limits(model.graph)
    inputs = tuple(_input(value, limits.get(value.name)) for value in graph_inputs(model.graph))
    dynamo = any(item.parameter for item in inputs)
    return OnnxModel(
        given=given,
        source=source,
        inputs=inputs,
        outputs=tuple(value.name for value in model.graph.output),
        metadata={entry.key: entry.value for entry in model.metadata_props},
        traced=model.producer_name == "pytorch" and not dynamo,
    )


def _input(value: ValueInfoProto, limit: int | None) -> OnnxInput:
    dtype, shape = value_type(value)
    notes = {entry.key: entry.value for entry in value.metadata_props}
    parameter = notes.get(_ORIGINAL, value.name) if _DYNAMO in notes else None
    return OnnxInput(value.name, dtype, shape, parameter, limit)


def _limits(graph: GraphProto) -> dict[str, int]:
    """Follow integer inputs to the tables that they index (embeddings)."""
    rows = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    origin = {value.name: value.name for value in graph.input}
    limits: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"):
            origin[node.output[0]] = origin.get(node.input[0], "")
        elif node.op_type == "Gather" and node.input[0] in rows:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
            name, size = origin.get(node.input[1], ""), rows[node.input[0]][axis]
            limits[name] = min(size, limits.get(name, size))
    return limits


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)
