"""Types and shapes of a graph's values, as far as ONNX can tell without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import bodies
from divergence.capture.onnx_tensors import dtype_word

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TypeProto, ValueInfoProto


@dataclass(frozen=True, slots=True)
class ValueType:
    """What is known of a value.

    kind: "tensor", "sequence", "optional", "map" or "sparse".
    element: ONNX element type, 0 where unknown or not a tensor.
    dims: None where the rank is not known, with None for a size that is not.
    """

    kind: str = "tensor"
    element: int = 0
    dims: tuple[int | None, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...] | None:
        """All sizes, or None where one of them is not known."""
        sizes = tuple(size for size in self.dims or () if size is not None)
        return sizes if self.dims is not None and len(sizes) == len(self.dims) else None

    @property
    def dtype(self) -> str | None:
        """The element type in numpy's words."""
        return dtype_word(self.element)


UNKNOWN = ValueType()


def infer(
    model: ModelProto, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, ValueType]:
    """Return the types of all values by site name; inputs have the given `shapes`.

    A value in a body is `<node>/<branch>/<value>`. Values that inference knows nothing of are
    absent; it never fails.
    """
    inferred = _inferred(_with_shapes(model, shapes or {}))
    types: dict[str, ValueType] = {}
    _collect(inferred.graph, "", types)
    return types


def _with_shapes(model: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> ModelProto:
    from onnx import ModelProto

    copy = ModelProto()
    copy.CopyFrom(model)
    for value in copy.graph.input:
        if value.name in shapes and value.type.HasField("tensor_type"):
            _set_shape(value, shapes[value.name])
    if shapes:
        # Sizes that an exporter left as symbols would win over what follows from the inputs.
        for value in (*copy.graph.output, *copy.graph.value_info):
            _forget_symbols(value)
    return copy


def _inferred(model: ModelProto) -> ModelProto:
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # noqa: BLE001 - a graph that inference refuses may still run
        return model


def _set_shape(value: ValueInfoProto, shape: tuple[int, ...]) -> None:
    dims = value.type.tensor_type.shape
    del dims.dim[:]
    for size in shape:
        dims.dim.add().dim_value = size


def _forget_symbols(value: ValueInfoProto) -> None:
    for dim in value.type.tensor_type.shape.dim:
        if dim.HasField("dim_param"):
            dim.ClearField("dim_param")


def _collect(graph: GraphProto, prefix: str, types: dict[str, ValueType]) -> None:
    for tensor in graph.initializer:
        types[prefix + tensor.name] = ValueType("tensor", tensor.data_type, tuple(tensor.dims))
    for value in (*graph.value_info, *graph.input, *graph.output):
        types[prefix + value.name] = _value_type(value.type)
    for node in graph.node:
        for branch, body in bodies(node):
            _collect(body, f"{prefix}{node.name}/{branch}/", types)


def _value_type(proto: TypeProto) -> ValueType:
    kind = proto.WhichOneof("value")
    if kind is None:
        return UNKNOWN
    if kind != "tensor_type":
        return ValueType(kind.removesuffix("_type").removesuffix("_tensor"))
    tensor = proto.tensor_type
    dims = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return ValueType("tensor", tensor.elem_type, dims if tensor.HasField("shape") else None)
