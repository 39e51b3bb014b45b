"""A file as a Keras exporter would write it: NHWC everywhere, H and W swapped, its names.

Every value of four axes is kept as (N, W, H, C). Operators that ONNX defines for NCHW alone
stand between two transpositions, as converters from TensorFlow leave them; kernels, strides
and pads are turned so that the turned picture gives the turned result.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

_TO_OURS, _TO_ONNX = (0, 3, 2, 1), (0, 3, 2, 1)  # its own inverse: N C H W <-> N W H C
_SPATIAL = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"}
# Defined for NCHW by their attributes: turned back for them, and turned again behind them.
_NCHW_WORDS = "ReduceMean Concat Split Slice Resize Pad BatchNormalization Add Mul"
_AGAIN = frozenset(_NCHW_WORDS.split())
_WORDS = (
    "Relu Sigmoid Tanh HardSwish HardSigmoid Clip Gelu Elu LeakyRelu Erf Sqrt Exp Neg "
    "Softplus Mish Swish Identity Add Mul Sub Div Pow Max Min"
)
_ELEMENTWISE = frozenset(_WORDS.split())


def keras_style(source: Path, target: Path, _: object) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(source))
    onnx.save(_Rewriter(model).rewrite(), target)


class _Rewriter:
    """Rewrites a graph in one pass; `turned` are the values held as (N, W, H, C)."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self.arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.rank = {
            t.name: a.ndim for t, a in zip(graph.initializer, self.arrays.values(), strict=True)
        }
        for value in (*graph.value_info, *graph.input, *graph.output):
            if value.type.tensor_type.HasField("shape"):
                self.rank[value.name] = len(value.type.tensor_type.shape.dim)
        self.turned: set[str] = set()
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.count = 0

    def rewrite(self) -> onnx.ModelProto:
        graph = self.model.graph
        for value in graph.input:
            if self.rank.get(value.name) == 4:
                self._turn_declared(value)
                self.turned.add(value.name)
        for node in graph.node:
            self._node(node)
        for value in graph.output:
            if value.name in self.turned:
                self._turn_declared(value)
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(self.nodes)
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(a, order="C"), n)  # a scalar stays one
            for n, a in self.initializers.items()
        )
        return _renamed(self.model)

    def _node(self, node: onnx.NodeProto) -> None:
        del node.metadata_props[:]
        first = node.input[0] if node.input else ""
        if node.op_type == "Constant":
            self.arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
            self.rank[node.output[0]] = self.arrays[node.output[0]].ndim
            return
        if node.op_type in _SPATIAL and first in self.turned:
            self._spatial(node)
        elif node.op_type in _ELEMENTWISE and self._can_turn(node):
            self._elementwise(node)
        else:
            self._plain(node)

    def _spatial(self, node: onnx.NodeProto) -> None:
        """Turn the value to NCWH, apply the operator with its spatial axes swapped, turn back."""
        given = self._new("transpose")
        self._transpose(node.input[0], given, (0, 3, 1, 2))
        names = [given, *node.input[1:]]
        if node.op_type in ("Conv", "ConvTranspose"):
            names[1] = self._stored(self.arrays[node.input[1]].transpose(0, 1, 3, 2), "kernel")
            names[2:] = [self._stored(self.arrays[name], "bias") for name in node.input[2:]]
        del node.input[:]
        node.input.extend(names)
        for attribute in node.attribute:
            swap = {
                "pads": (1, 0, 3, 2),
                "strides": (1, 0),
                "kernel_shape": (1, 0),
                "dilations": (1, 0),
                "output_padding": (1, 0),
            }.get(attribute.name)
            if swap:
                attribute.ints[:] = [attribute.ints[i] for i in swap]
        result, node.output[0] = node.output[0], self._new("raw")
        self.nodes.append(node)
        self._transpose(node.output[0], result, (0, 2, 3, 1))
        self.turned.add(result)

    def _can_turn(self, node: onnx.NodeProto) -> bool:
        values = [name for name in node.input if name and name not in self.arrays]
        return any(name in self.turned for name in values) and all(
            name in self.turned or self.rank.get(name, 9) == 0 for name in values
        )

    def _elementwise(self, node: onnx.NodeProto) -> None:
        for i, name in enumerate(node.input):
            if name in self.arrays:
                array = self.arrays[name]
                if array.ndim > 1 or (array.ndim == 1 and array.size > 1):
                    array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(_TO_OURS)
                node.input[i] = self._stored(array, "constant")
        self.nodes.append(node)
        self.turned.add(node.output[0])

    def _plain(self, node: onnx.NodeProto) -> None:
        turned = False
        for i, name in enumerate(node.input):
            if name in self.turned:
                node.input[i] = self._new("transpose")
                self._transpose(name, node.input[i], _TO_ONNX)
                turned = True
            elif name in self.arrays:
                node.input[i] = self._stored(self.arrays[name], "constant")
        results = [name for name in node.output if name]
        again = turned and node.op_type in _AGAIN and all(self.rank.get(n) == 4 for n in results)
        if again:
            node.output[:] = [self._new("raw") for _ in results]
        self.nodes.append(node)
        if again:
            for raw, name in zip(node.output, results, strict=True):
                self._transpose(raw, name, _TO_OURS)
                self.turned.add(name)

    def _transpose(self, source: str, target: str, order: tuple[int, ...]) -> None:
        self.nodes.append(helper.make_node("Transpose", [source], [target], perm=order))

    def _stored(self, array: np.ndarray, what: str) -> str:
        name = self._new(what)
        self.initializers[name] = array
        return name

    def _new(self, what: str) -> str:
        self.count += 1
        return f"model/{what}_{self.count}"

    def _turn_declared(self, value: onnx.ValueInfoProto) -> None:
        shape = value.type.tensor_type.shape
        dims = list(shape.dim)
        turned = [onnx.TensorShapeProto.Dimension() for _ in dims]
        for new, axis in zip(turned, _TO_OURS, strict=True):
            new.CopyFrom(dims[axis])
        del shape.dim[:]
        shape.dim.extend(turned)


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give values the names of Keras layers; inputs and outputs too."""
    names: dict[str, str] = {}
    counts: dict[str, int] = {}

    def new(op: str) -> str:
        counts[op] = counts.get(op, 0) + 1
        return f"model_1/{op.lower()}_{counts[op]}/{op}:0"

    for value in model.graph.input:
        names[value.name] = f"input_{len(names) + 1}"
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        for name in node.output:
            if name:
                names[name] = new(node.op_type)
        node.output[:] = [names.get(name, name) for name in node.output]
        node.name = node.output[0].rsplit(":", 1)[0]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names[value.name]
    model.producer_name = "tf2onnx"
    del model.metadata_props[:], model.graph.metadata_props[:]
    return model
