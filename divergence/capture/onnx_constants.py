"""Values of a graph that depend on no input: weights, and what is computed of weights alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.capture.onnx_session import Session, Settings
from divergence.capture.onnx_shapes import UNKNOWN, ValueType
from divergence.capture.onnx_tensors import Stored, dtype_word, value_of
from divergence.errors import CaptureError, DivergenceError
from divergence.records import Array, Weight

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_IR_VERSION = 10  # the first that knows all element types of weights; every runtime reads it
# Operators whose result differs from run to run although no input does.
RANDOM = frozenset(
    {
        "Bernoulli",
        "Dropout",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    }
)


def initializers(
    graph: GraphProto, stored: Mapping[str, Stored], prefix: str = ""
) -> dict[str, Weight]:
    """Return the initializers of a graph as weights, by name with the prefix of its body."""
    weights = {}
    for tensor in graph.initializer:
        name = prefix + tensor.name
        apart = None if prefix else stored.get(tensor.name)
        load = apart.view if apart else partial(value_of, tensor)
        word = dtype_word(tensor.data_type) or "float32"
        weights[name] = Weight(name, tuple(tensor.dims), word, load)
    for sparse in graph.sparse_initializer:
        name = prefix + sparse.values.name
        word = dtype_word(sparse.values.data_type) or "float32"
        weights[name] = Weight(name, tuple(sparse.dims), word, partial(_dense, sparse))
    return weights


def folded(
    node: NodeProto,
    names: Sequence[str],
    operands: Sequence[Weight | None],
    types: Mapping[str, ValueType],
    opsets: Mapping[str, int],
) -> list[Weight]:
    """Return what a node computes of weights alone, evaluated when it is asked for.

    names: one for each output, with the prefix of the body; operands: one for each input, None
    for an optional one that is left out.
    """

    @cache
    def results() -> tuple[Array, ...]:
        return _evaluate(node, operands, opsets)

    weights = []
    for number, name in enumerate(names):
        if name:
            load = operands[0].load if _is_copy(node) and operands[0] else _nth(results, number)
            weights.append(_typed(name, types.get(name, UNKNOWN), load))
    return weights


def _typed(name: str, known: ValueType, load: Callable[[], Array]) -> Weight:
    if known.shape is not None and known.dtype is not None:
        return Weight(name, known.shape, known.dtype, load)
    try:
        value = load()
    except CaptureError:
        return Weight(name, known.shape or (), known.dtype or "float32", load)
    return Weight(name, value.shape, value.dtype.name, load)


def _nth(results: Callable[[], tuple[Array, ...]], number: int) -> Callable[[], Array]:
    return lambda: results()[number]


def _is_copy(node: NodeProto) -> bool:
    return node.op_type == "Identity" and node.domain in ("", "ai.onnx")


def _evaluate(
    node: NodeProto, operands: Sequence[Weight | None], opsets: Mapping[str, int]
) -> tuple[Array, ...]:
    from onnx import ValueInfoProto, helper
    from onnx.reference import ReferenceEvaluator

    feeds = {n: w.load() for n, w in zip(node.input, operands, strict=True) if n and w is not None}
    outputs = [name for name in node.output if name]
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
        )
        for name, value in feeds.items()
    ]
    graph = helper.make_graph([node], "constant", inputs, [ValueInfoProto(name=n) for n in outputs])
    versions = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    model = helper.make_model(graph, opset_imports=versions, ir_version=_IR_VERSION)
    try:
        found: Any = ReferenceEvaluator(model).run(None, feeds)
    except Exception:  # noqa: BLE001 - it lacks operators, and older versions of some
        found = _by_runtime(model, feeds)
    values = iter(found)
    return tuple(_frozen(next(values)) if name else _frozen(np.empty(0)) for name in node.output)


def _by_runtime(model: ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    try:
        return Session(model, Settings()).run(feeds)
    except DivergenceError as error:
        node = model.graph.node[0]
        raise CaptureError(
            f"The constant {node.output[0]!r} ({node.op_type}) cannot be evaluated: {error}"
        ) from error


def _frozen(value: Any) -> Array:
    array = np.array(value)
    array.flags.writeable = False
    return array


def _dense(sparse: Any) -> Array:
    values, places = value_of(sparse.values), value_of(sparse.indices)
    dense = np.zeros(tuple(sparse.dims), values.dtype)
    where = places if places.ndim == 1 else np.ravel_multi_index(tuple(places.T), dense.shape)
    dense.reshape(-1)[where] = values
    return _frozen(dense)
