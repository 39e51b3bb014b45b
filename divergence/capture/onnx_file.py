"""An ONNX file as the user gave it: the graph without its weights, the weights apart.

Weights stay where they are until somebody reads them, so a file over 2 GB costs as much as its
graph, and every session that is made of it shares one copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from divergence.capture.onnx_tensors import INLINE_BYTES, Stored, detached, hold, is_packed, mapped
from divergence.errors import LoadError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

_GRAPH = 5  # onnx.AttributeProto.GRAPH
# Where a weight that was taken out of the graph claims to be; sessions are given it by name.
ELSEWHERE = "divergence-shared-weights"


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A model, read once.

    model: functions inlined; every node has a name of its own; weights of 1 KiB and more are
        external references. Not to be modified.
    weights: those weights by name.
    path: the file, or None where a `ModelProto` was given.
    given: what the user gave, for a session without any change. changed: nodes of `model` have
        other names than in `given`, or functions were inlined.
    """

    model: ModelProto
    weights: Mapping[str, Stored] = field(repr=False)
    path: Path | None
    given: Path | ModelProto = field(repr=False)
    changed: bool

    @property
    def source(self) -> Path | ModelProto:
        """What a session of the untouched file is made of: a model in memory shares weights."""
        return self.given if isinstance(self.given, Path) or self.changed else self.model


def read_onnx(source: Path | str | ModelProto) -> OnnxFile:
    """Read a file or a model in memory; the caller's model is left as it is.

    Nodes are put behind what they read, in whatever order the file has them.
    A node without a name, or with one that an earlier node bears, is called after its first
    output (and `<op type>(<output>)` where a node already has that name).

    Raises:
        LoadError: no such file, not an ONNX file, empty, or a data file is missing.
    """
    from divergence.capture.ordering import settle

    path = Path(source) if isinstance(source, str | Path) else None
    model = _parse(path) if path is not None else source
    assert not isinstance(model, str | Path)
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise LoadError(
            f"{path.name if path else 'The ONNX model'} holds no graph; export the model again."
        )
    light, weights = _detach(model, path)
    if path is not None:
        _hold(light.graph, path)
    inlined = bool(light.functions)
    if inlined:
        light = _inlined(light)
    settle(light.graph)
    named = name_nodes(light.graph)
    given = path if path is not None else model
    return OnnxFile(light, weights, path, given, inlined or named)


def name_nodes(graph: GraphProto) -> bool:
    """Give every node of a graph and of its bodies a name of its own; tell if any was given."""
    nodes = list(every_node(graph))
    taken = Counter(node.name for node in nodes if node.name)
    seen: set[str] = set()
    changed = False
    for node in nodes:
        if not node.name or node.name in seen:
            node.name = _stand_in(node, taken)
            taken[node.name] += 1
            changed = True
        seen.add(node.name)
    return changed


def every_node(graph: GraphProto) -> Iterator[NodeProto]:
    """Yield the nodes of a graph, each followed by those of its bodies."""
    for node in graph.node:
        yield node
        for _, body in bodies(node):
            yield from every_node(body)


def bodies(node: NodeProto) -> Iterator[tuple[str, GraphProto]]:
    """Yield the graphs that a node holds (`then_branch`, `body`), by attribute name."""
    for attribute in node.attribute:
        if attribute.type == _GRAPH:
            yield attribute.name, attribute.g


def operands(node: NodeProto) -> list[str]:
    """Return the names that a node reads: its inputs, then what its bodies read from outside."""
    names = [name for name in node.input if name]
    for _, body in bodies(node):
        names.extend(name for name in _captured(body) if name not in names)
    return names


def _captured(graph: GraphProto) -> list[str]:
    own = {value.name for value in graph.input} | {value.name for value in graph.initializer}
    outer: list[str] = []
    for node in graph.node:
        outer.extend(name for name in operands(node) if name not in own)
        own.update(node.output)
    outer.extend(value.name for value in graph.output if value.name not in own)
    return list(dict.fromkeys(outer))


def _stand_in(node: NodeProto, taken: Counter[str]) -> str:
    output = next((name for name in node.output if name), "")
    candidate = output or node.op_type
    if taken[candidate]:
        candidate = f"{node.op_type}({output})"
    number = 1
    while taken[candidate]:
        candidate = f"{node.op_type}({output})#{number}"
        number += 1
    return candidate


def _parse(path: Path) -> ModelProto:
    from google.protobuf.message import DecodeError

    from divergence.capture import onnx_bytes

    if not path.is_file():
        raise LoadError(f"There is no file {str(path)!r}; check the path of the ONNX model.")
    try:
        return onnx_bytes.parse(path)
    except (DecodeError, onnx_bytes.MalformedError) as error:
        raise LoadError(
            f"{path.name} cannot be read as an ONNX file ({error}); it is truncated or of "
            f"another kind: export or copy it again."
        ) from error


def _detach(model: ModelProto, path: Path | None) -> tuple[ModelProto, dict[str, Stored]]:
    """Return a copy of the model that refers to its large weights, and the weights."""
    from onnx import ModelProto

    light = ModelProto()
    weights: dict[str, Stored] = {}
    for descriptor, value in model.ListFields():
        if descriptor.name == "graph":
            _detach_graph(model.graph, light.graph, path, weights)
        elif descriptor.is_repeated:
            getattr(light, descriptor.name).MergeFrom(value)
        else:
            setattr(light, descriptor.name, value)
    return light, weights


def _detach_graph(
    graph: GraphProto, light: GraphProto, path: Path | None, weights: dict[str, Stored]
) -> None:
    for descriptor, value in graph.ListFields():
        if descriptor.name == "initializer":
            for tensor in graph.initializer:
                detach_tensor(tensor, light.initializer.add(), path, weights)
        elif descriptor.is_repeated:
            getattr(light, descriptor.name).MergeFrom(value)
        else:
            setattr(light, descriptor.name, value)


def detach_tensor(
    tensor: TensorProto, light: TensorProto, path: Path | None, weights: dict[str, Stored]
) -> None:
    """Make `light` the tensor, or a reference to it where it is large: then it is in `weights`.

    path: the model's file, data files lie beside it; None for a model in memory.

    Raises:
        LoadError: the data file is missing, or the model is in memory.
    """
    from onnx import TensorProto

    external = tensor.data_location == TensorProto.EXTERNAL
    if is_packed(tensor.data_type) or (not external and tensor.ByteSize() < INLINE_BYTES):
        light.CopyFrom(tensor)
        if external and path:
            hold(light, path)
        return
    if external and path is None:
        raise LoadError(
            f"The weight {tensor.name!r} of the ONNX model in memory lies in a data file; give "
            f"the model's path, or load it with its external data."
        )
    stored = mapped(tensor, path) if external and path else detached(tensor)
    weights[tensor.name] = stored
    refer(light, stored)


def _hold(graph: GraphProto, path: Path) -> None:
    """Read in what bodies and attributes keep in data files: sessions share initializers alone."""
    for node in every_node(graph):
        _hold_each(_constants(node), path)
        _hold_each((tensor for _, body in bodies(node) for tensor in body.initializer), path)


def _constants(node: NodeProto) -> Iterator[TensorProto]:
    return (attribute.t for attribute in node.attribute if attribute.HasField("t"))


def _hold_each(tensors: Iterable[TensorProto], path: Path) -> None:
    from onnx import TensorProto

    for tensor in tensors:
        if tensor.data_location == TensorProto.EXTERNAL:
            hold(tensor, path)


def whole(path: Path) -> ModelProto:
    """Return the model of a file with all that lies in data files beside it.

    Raises:
        LoadError: a data file is missing.
    """
    import onnx

    model = onnx.load(path, format="protobuf", load_external_data=False)
    _hold_each(model.graph.initializer, path)
    for function in model.functions:
        _hold_each((tensor for node in function.node for tensor in _constants(node)), path)
    _hold(model.graph, path)
    return model


def refer(tensor: TensorProto, stored: Stored) -> None:
    """Make `tensor` a reference to weights that a session is given by name."""
    from onnx import TensorProto

    tensor.Clear()
    tensor.name, tensor.data_type = stored.name, stored.element
    tensor.dims.extend(stored.shape)
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", ELSEWHERE


def _inlined(model: ModelProto) -> ModelProto:
    from onnx import inliner

    return inliner.inline_local_functions(model)
