"""The faults: each plants itself somewhere in a graph, or says that it has no place there.

`size` is relative: 1 is gross, 1e-5 is some tens of times the rounding of a layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tests.zoo.planting import Graph, Plant, Planted, attribute, residual_adds

NORMS = ("LayerNormalization", "BatchNormalization", "InstanceNormalization", "GroupNormalization")


def epsilon(graph: Graph, size: float) -> Planted | None:
    for node in graph.of(*NORMS):
        graph.set(node, epsilon=float(attribute(node, "epsilon", 1e-5)) + max(size, 1e-4))
        return Planted(("attribute.epsilon",), (node.name,))
    return None


def activation(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("LeakyRelu", "Elu", "HardSigmoid", "Relu", "Clip", "Gelu", "Erf"):
        planted = Planted(("attribute.activation",), (node.name,))
        if node.op_type in {"LeakyRelu", "Elu", "HardSigmoid"}:
            graph.set(node, alpha=float(attribute(node, "alpha", 0.2)) * (1 + size))
            return planted
        if node.op_type == "Relu":
            graph.become(node, "LeakyRelu", list(node.input), alpha=float(0.3 * size))
            return planted
        if (
            node.op_type == "Clip"
            and len(node.input) > 2
            and graph.constant(node.input[2]) is not None
        ):
            bound = graph.constant(node.input[2])
            if np.isfinite(bound).all() and bound.max() < 100:
                graph.give(node, 2, (bound * (1 - 0.5 * min(size, 1.0))).astype(bound.dtype))
                return planted
        if node.op_type == "Gelu" and attribute(node, "approximate", "none") == "none":
            graph.set(node, approximate="tanh")
            return planted
    return None


def resize(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Resize"):
        if attribute(node, "mode", "nearest") == "nearest":
            graph.set(node, nearest_mode="ceil", coordinate_transformation_mode="half_pixel")
        else:
            now = attribute(node, "coordinate_transformation_mode", "half_pixel")
            other = "align_corners" if "half" in str(now) else "half_pixel"
            graph.set(node, coordinate_transformation_mode=other)
        return Planted(("attribute.resize",), (node.name,))
    return None


def pool(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("AveragePool"):
        if any(attribute(node, "pads", [0])):
            now = int(attribute(node, "count_include_pad", 0))
            graph.set(node, count_include_pad=1 - now)
            return Planted(("attribute.pool",), (node.name,))
    return None


def padding(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Conv"):
        pads, kernel = list(attribute(node, "pads", [0] * 4)), attribute(node, "kernel_shape", [1])
        if len(pads) == 4 and min(pads) > 0 and min(kernel) > 1:
            graph.set(node, pads=[pads[0] + 1, pads[1], pads[2] - 1, pads[3]])
            return Planted(("attribute.padding",), (node.name,))
    return None


def dilation(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Conv"):
        kernel, pads = attribute(node, "kernel_shape", []), attribute(node, "pads", [])
        if list(kernel) == [3, 3] and list(pads) == [1, 1, 1, 1]:
            graph.set(node, dilations=[2, 2], pads=[2, 2, 2, 2])
            return Planted(("attribute.padding",), (node.name,))
    return None


def shuffle(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("DepthToSpace"):
        graph.set(node, mode="DCR" if attribute(node, "mode", "DCR") == "CRD" else "CRD")
        return Planted(("attribute.shuffle",), (node.name,))
    return None


def axis(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Softmax", "LogSoftmax"):
        graph.set(node, axis=-2)
        return Planted(("attribute.axis",), (node.name,))
    return None


def attention_scale(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Softmax"):
        maker = graph.producer(node.input[0])
        if maker is None or maker.op_type not in {"MatMul", "Mul", "Div", "Add"}:
            continue
        new = graph.insert_behind(node.input[0], "Mul", np.float32(1 + 4 * size))
        return Planted(("attention.scale",), (new.name, node.name, maker.name))
    return None


def attention_layout(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Transpose"):
        perm = list(attribute(node, "perm", []))
        after = graph.readers(node.output[0])
        if perm == [0, 2, 1, 3] and len(after) == 1 and after[0].op_type == "Reshape":
            graph.set(node, perm=[0, 1, 2, 3])
            return Planted(("attention.layout",), (node.name,))
    return None


def residual(graph: Graph, size: float) -> Planted | None:
    for node in residual_adds(graph):
        graph.become(node, "Identity", [node.input[1]])
        return Planted(("structure.missing_op",), (node.name,))
    return None


def bias(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Add"):
        for position, name in enumerate(node.input):
            value = graph.constant(name)
            if value is not None and value.ndim == 1 and value.size > 1 and value.any():
                graph.become(node, "Identity", [node.input[1 - position]])
                return Planted(("structure.missing_op",), (node.name,))
    for node in graph.of("Conv", "Gemm"):
        if len(node.input) > 2 and graph.constant(node.input[2]) is not None:
            del node.input[2:]
            return Planted(("structure.missing_op", "weights.one"), (node.name,))
    return None


def missing_activation(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Relu", "Gelu", "HardSwish", "Tanh"):
        graph.become(node, "Identity", list(node.input)[:1])
        return Planted(("structure.missing_op", "attribute.activation"), (node.name,))
    return None


def operands(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Sub", "Div", "Concat"):
        if node.op_type == "Concat" and any(graph.constant(i) is not None for i in node.input):
            continue
        if len(node.input) < 2 or any(graph.producer(i) is None for i in node.input):
            continue
        if graph.is_integer(node.output[0]):  # a shape: ONNX Runtime may crash on a wrong one
            continue
        inputs = list(node.input)[::-1]
        del node.input[:]
        node.input.extend(inputs)
        return Planted(("structure.order",), (node.name,))
    return None


def slices(graph: Graph, size: float) -> Planted | None:
    for node in graph.of("Split"):
        if len(node.output) < 2:
            continue
        outputs = list(node.output)
        outputs[0], outputs[-1] = outputs[-1], outputs[0]
        del node.output[:]
        node.output.extend(outputs)
        return Planted(("structure.order", "attention.layout"), (node.name,))
    return None


def _weights(graph: Graph) -> list[tuple[object, int, np.ndarray]]:
    found = []
    for node in graph.of("Conv", "MatMul", "Gemm", "ConvTranspose"):
        if len(node.input) > 1:
            value = graph.constant(node.input[1])
            if value is not None and value.ndim > 1 and value.dtype == np.float32:
                found.append((node, 1, value))
    return found


def weight_scaled(graph: Graph, size: float) -> Planted | None:
    for node, operand, value in _weights(graph):
        graph.give(node, operand, (value * np.float32(1 + size)).astype(np.float32))
        return Planted(("weights.one",), (node.name,))
    return None


def weight_element(graph: Graph, size: float) -> Planted | None:
    for node, operand, value in _weights(graph):
        changed = value.copy()
        place = graph.random.randrange(value.size)
        changed.flat[place] += np.float32(size * np.abs(value).max() * 3)
        graph.give(node, operand, changed)
        return Planted(("weights.one",), (node.name,))
    return None


def weight_transposed(graph: Graph, size: float) -> Planted | None:
    for node, operand, value in _weights(graph):
        if value.ndim == 2 and value.shape[0] == value.shape[1]:
            graph.give(node, operand, value.T)
            return Planted(("weights.one",), (node.name,))
    return None


def weights_all(graph: Graph, size: float) -> Planted | None:
    generator = np.random.default_rng(1)
    found = _weights(graph)
    for node, operand, value in found:
        noise = generator.standard_normal(value.shape).astype(np.float32)
        graph.give(node, operand, value + noise * value.std() * np.float32(size))
    return Planted(("weights.all",) if len(found) > 2 else ("weights.one",), ())


def reduced(graph: Graph, size: float) -> Planted | None:
    from onnx import TensorProto, helper

    for node in graph.of("Conv", "MatMul", "Gemm"):
        name = node.output[0]
        half = graph.insert_behind(name, "Cast")
        graph.set(half, to=TensorProto.FLOAT16)
        back = graph.insert_behind(name, "Cast")
        back.name = "planted_Cast_back"
        graph.set(back, to=TensorProto.FLOAT)
        del helper
        return Planted(("precision.reduced",), (half.name, back.name))
    return None


FAULTS: Mapping[str, tuple[Plant, tuple[float, ...]]] = {
    "epsilon": (epsilon, (1e-3, 0.1)),
    "activation": (activation, (1e-3, 0.5)),
    "resize": (resize, (1.0,)),
    "pool": (pool, (1.0,)),
    "padding": (padding, (1.0,)),
    "dilation": (dilation, (1.0,)),
    "shuffle": (shuffle, (1.0,)),
    "axis": (axis, (1.0,)),
    "attention scale": (attention_scale, (1e-4, 1.0)),
    "attention layout": (attention_layout, (1.0,)),
    "residual": (residual, (1.0,)),
    "bias": (bias, (1.0,)),
    "missing activation": (missing_activation, (1.0,)),
    "operands": (operands, (1.0,)),
    "slices": (slices, (1.0,)),
    "weight scaled": (weight_scaled, (3e-5, 0.3)),
    "weight element": (weight_element, (1e-3, 1.0)),
    "weight transposed": (weight_transposed, (1.0,)),
    "weights all": (weights_all, (0.3,)),
    "reduced precision": (reduced, (1.0,)),
}
