"""What planting a fault needs to know of a graph, and what a planted fault is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper


@dataclass(frozen=True)
class Planted:
    """A fault: the ids that name it rightly, the nodes it sits in, whether it can be undone."""

    causes: tuple[str, ...]
    nodes: tuple[str, ...]
    undoable: bool = True


@dataclass
class Graph:
    """A graph with look-ups."""

    model: onnx.ModelProto
    random: Random

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        return list(self.model.graph.node)

    def of(self, *op_types: str) -> list[onnx.NodeProto]:
        """Nodes of these op types in random order."""
        found = [node for node in self.nodes if node.op_type in op_types]
        self.random.shuffle(found)
        return found

    def constant(self, name: str) -> np.ndarray | None:
        for tensor in self.model.graph.initializer:
            if tensor.name == name:
                return numpy_helper.to_array(tensor)
        for node in self.nodes:
            if node.op_type == "Constant" and name in node.output:
                return numpy_helper.to_array(node.attribute[0].t)
        return None

    def producer(self, name: str) -> onnx.NodeProto | None:
        return next((node for node in self.nodes if name in node.output), None)

    def readers(self, name: str) -> list[onnx.NodeProto]:
        return [node for node in self.nodes if name in node.input]

    def is_integer(self, name: str) -> bool:
        """Whether a value is known to be one of integers."""
        inferred = onnx.shape_inference.infer_shapes(self.model).graph.value_info
        kinds = {value.name: value.type.tensor_type.elem_type for value in inferred}
        return kinds.get(name) in {onnx.TensorProto.INT32, onnx.TensorProto.INT64}

    def give(self, node: onnx.NodeProto, operand: int, value: np.ndarray) -> None:
        """Give a node a constant of its own."""
        name = f"planted.{len(self.model.graph.initializer)}"
        self.model.graph.initializer.append(
            numpy_helper.from_array(np.asarray(value, order="C"), name)
        )
        node.input[operand] = name

    def set(self, node: onnx.NodeProto, **attributes: object) -> None:
        kept = [a for a in node.attribute if a.name not in attributes]
        new = [helper.make_attribute(k, v) for k, v in attributes.items()]
        del node.attribute[:]
        node.attribute.extend([*kept, *new])

    def become(
        self, node: onnx.NodeProto, op: str, inputs: list[str], **attributes: object
    ) -> None:
        """Turn a node into another op in place, its name and output kept."""
        node.op_type, node.domain = op, ""
        del node.input[:], node.attribute[:]
        node.input.extend(inputs)
        node.attribute.extend(helper.make_attribute(k, v) for k, v in attributes.items())

    def insert_behind(self, name: str, op: str, *constants: np.ndarray) -> onnx.NodeProto:
        """Put a node behind a value; all readers read its result."""
        node = self.producer(name)
        raw = f"{name}.planted{len(self.nodes)}"
        node.output[list(node.output).index(name)] = raw
        new = helper.make_node(op, [raw], [name], name=f"planted_{op}")
        for constant in constants:
            new.input.append("")
            self.give(new, len(new.input) - 1, constant)
        position = self.nodes.index(node) + 1
        self.model.graph.node.insert(position, new)
        return self.model.graph.node[position]


Plant = Callable[[Graph, float], Planted | None]


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    for entry in node.attribute:
        if entry.name == name:
            value = helper.get_attribute_value(entry)
            return value.decode() if isinstance(value, bytes) else value
    return default


def residual_adds(graph: Graph) -> Iterator[onnx.NodeProto]:
    """Additions of two computed values."""
    for node in graph.of("Add"):
        if all(graph.producer(i) is not None and graph.constant(i) is None for i in node.input):
            yield node


def strip(model: onnx.ModelProto) -> dict[str, str]:
    """Replace all names but those of inputs and outputs, drop metadata; return new node names."""
    kept = {v.name for v in (*model.graph.input, *model.graph.output)} | {""}
    names: dict[str, str] = {}
    renamed: dict[str, str] = {}

    def value(name: str) -> str:
        return name if name in kept else names.setdefault(name, f"v{len(names)}")

    for tensor in model.graph.initializer:
        tensor.name = value(tensor.name)
    for position, node in enumerate(model.graph.node):
        renamed[node.name] = f"n{position}"
        node.name = f"n{position}"
        node.input[:] = [value(name) for name in node.input]
        node.output[:] = [value(name) for name in node.output]
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:], model.metadata_props[:]
    return renamed


def first_output(model: onnx.ModelProto, value: np.ndarray) -> np.ndarray | None:
    """Run a file that has one input, not optimised; None where the runtime refuses it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return session.run(None, {session.get_inputs()[0].name: value})[0]
    except Exception:  # noqa: BLE001 - the runtime's refusals have no class in common
        return None
