"""Faults in company: two at once, those that heal behind their place, those that show only later.

Each plants itself in a subject's file, at places that outputs depend on, or has no place there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from random import Random

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from tests.zoo.architectures import Subject
from tests.zoo.faults import FAULTS, NORMS
from tests.zoo.planting import Graph, Planted, first_output

# Two faults at different places: how many times that is tried.
ATTEMPTS = 6
WEIGHTED = ("Conv", "MatMul", "Gemm", "ConvTranspose")
# Behind these an element is still the same one.
PASSING = ("Add", "Identity", "Reshape", "Transpose")

PlantSeveral = Callable[[Subject, Graph], "tuple[Planted, ...] | None"]


def both(*faults: tuple[str, float]) -> PlantSeveral:
    """Return what plants these faults of the single ones, by name and size, in turn."""

    def plant(made: Subject, graph: Graph) -> tuple[Planted, ...] | None:
        clean = onnx.ModelProto()
        clean.CopyFrom(graph.model)
        for _ in range(ATTEMPTS):
            graph.model.CopyFrom(clean)
            planted = tuple(_felt(made, graph, name, size) for name, size in faults)
            known = [each for each in planted if each is not None]
            if len(known) == len(faults) and _apart(known) and _live(graph) >= _nodes(known):
                return tuple(known)
        return None

    return plant


def _felt(made: Subject, graph: Graph, name: str, size: float) -> Planted | None:
    """Plant one more fault; None where it has no place, or does not show in the output."""
    before = first_output(graph.model, made.inputs.numpy())
    planted = FAULTS[name][0](graph, size)
    after = first_output(graph.model, made.inputs.numpy())
    if before is None or after is None or before.shape != after.shape:
        return None
    return None if np.array_equal(before, after) else planted


def _nodes(planted: Sequence[Planted]) -> set[str]:
    return {name for each in planted for name in each.nodes}


def _apart(planted: Sequence[Planted]) -> bool:
    return all(not set(a.nodes) & set(b.nodes) for a, b in combinations(planted, 2))


def _live(graph: Graph) -> set[str]:
    """Return the nodes that an output depends on."""
    makers = {name: node for node in graph.nodes for name in node.output}
    stack, reached = [value.name for value in graph.model.graph.output], set[str]()
    while stack:
        node = makers.get(stack.pop())
        if node is not None and node.name not in reached:
            reached.add(node.name)
            stack.extend(node.input)
    return reached


def healed_by_norm(made: Subject, graph: Graph) -> tuple[Planted, ...] | None:
    """A gain of a layer that the norm behind it takes out again."""
    del made
    for norm in graph.of(*NORMS):
        if norm.op_type == "BatchNormalization":
            continue
        places = _constants_before(graph, norm.input[0])
        if places:
            for node, operand in places:
                graph.give(node, operand, graph.constant(node.input[operand]) * np.float32(2))
            return (Planted(("weights.one",), tuple(dict.fromkeys(n.name for n, _ in places))),)
    return None


def _constants_before(graph: Graph, name: str) -> list[tuple[onnx.NodeProto, int]]:
    """Return the parameters of the layer that makes a value for one reader, if one does."""
    found: list[tuple[onnx.NodeProto, int]] = []
    while (node := graph.producer(name)) is not None and len(graph.readers(name)) == 1:
        constants = [k for k, i in enumerate(node.input) if _is_float(graph.constant(i))]
        found += [(node, k) for k in constants]
        if node.op_type in WEIGHTED:
            return found if 1 in constants else []
        if node.op_type not in PASSING or (node.op_type == "Add" and not constants):
            return []
        name = next(i for k, i in enumerate(node.input) if k not in constants)
    return []


def _is_float(value: np.ndarray | None) -> bool:
    return value is not None and value.dtype == np.float32


def healed_by_softmax(made: Subject, graph: Graph) -> tuple[Planted, ...] | None:
    """A wrong bias of the keys: it moves all logits of a row alike."""
    del made
    if not graph.of("Softmax"):
        return None
    for node in graph.of("Add", "Gemm"):
        for operand, name in enumerate(node.input):
            bias, weight = graph.constant(name), _weight_before(graph, node)
            if not _is_float(bias) or weight is None or bias.shape != (3 * weight.shape[0],):
                continue
            width = weight.shape[0]
            changed = bias.copy()
            changed[width : 2 * width] += np.float32(0.5)
            graph.give(node, operand, changed)
            return (Planted(("weights.one",), (node.name,)),)
    return None


def _weight_before(graph: Graph, node: onnx.NodeProto) -> np.ndarray | None:
    """Return the matrix of the linear layer that a bias is added in or behind, inputs first."""
    for maker in (node, *(graph.producer(name) for name in node.input)):
        if maker is not None and maker.op_type in {"MatMul", "Gemm"}:
            weight = graph.constant(maker.input[1])
            if weight is not None and weight.ndim == 2:
                return weight if weight.shape[1] > weight.shape[0] else weight.T
    return None


def healed_by_clipping(made: Subject, graph: Graph) -> tuple[Planted, ...] | None:
    """A wrong bias of the channel that a ReLU cuts most of off: all that is left of it is lost."""
    for relu in graph.of("Relu"):
        conv = graph.producer(relu.input[0])
        if conv is None or conv.op_type not in {"Conv", "Gemm"} or len(conv.input) < 3:
            continue
        bias, readers = graph.constant(conv.input[2]), graph.readers(relu.input[0])
        if bias is None or len(readers) != 1:
            continue
        value = _value(made, relu.input[0])
        most = value.max(axis=tuple(k for k in range(value.ndim) if k != 1))
        channel = int(np.where(most > 0, most, np.inf).argmin())
        changed = bias.copy()
        changed[channel] -= np.abs(value).max()
        graph.give(conv, 2, changed)
        return (Planted(("weights.one",), (conv.name,)),)
    return None


def _value(made: Subject, name: str) -> np.ndarray:
    """Return a value of the right file."""
    model = onnx.ModelProto()
    model.CopyFrom(made.file)
    model.graph.output.append(helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    feed = {session.get_inputs()[0].name: made.inputs.numpy()}
    return session.run([name], feed)[0]


def late_reader(made: Subject, graph: Graph) -> tuple[Planted, ...] | None:
    """Only the last of a value's readers, as far away as there is one, gets it rounded."""
    del made
    order = {node.name: number for number, node in enumerate(graph.nodes)}
    farthest = max(_branches(graph), default=None, key=lambda found: _distance(order, *found))
    if farthest is None:
        return None
    source, reader = farthest
    name, position = source.output[0], order[reader.name]
    half = helper.make_node("Cast", [name], ["late.half"], "planted_half", to=TensorProto.FLOAT16)
    back = helper.make_node("Cast", ["late.half"], ["late"], "planted_back", to=TensorProto.FLOAT)
    reader.input[:] = ["late" if i == name else i for i in reader.input]
    graph.model.graph.node.insert(position, half)
    graph.model.graph.node.insert(position + 1, back)
    return (Planted(("precision.reduced",), (half.name, back.name)),)


def _branches(graph: Graph) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Yield computed values that layers make or add up and that are read again later."""
    for source in graph.of(*WEIGHTED, "Add", "Relu", "LayerNormalization"):
        if graph.constant(source.output[0]) is None:
            readers = [r for r in graph.readers(source.output[0]) if r.op_type in {"Add", "Concat"}]
            if readers and len(graph.readers(source.output[0])) > 1:
                yield source, readers[-1]


def _distance(order: Mapping[str, int], source: onnx.NodeProto, reader: onnx.NodeProto) -> int:
    return order[reader.name] - order[source.name]


def shared_weight(made: Subject, graph: Graph) -> tuple[Planted, ...] | None:
    """Two layers read one parameter, and it is neither's."""
    del made
    layers = [(n, graph.constant(n.input[1])) for n in graph.of(*WEIGHTED) if len(n.input) > 1]
    known = [(node, value) for node, value in layers if _is_float(value) and value.ndim > 1]
    for (first, a), (second, b) in combinations(known, 2):
        if a.shape == b.shape and first.op_type == second.op_type and not np.array_equal(a, b):
            graph.give(first, 1, (a + b) / np.float32(2))
            second.input[1] = first.input[1]
            return tuple(Planted(("weights.one",), (node.name,)) for node in (first, second))
    return None


def shared_number(made: Subject, graph: Graph) -> tuple[Planted, ...] | None:
    """One wrong number that several nodes multiply or divide by."""
    del made
    users: dict[float, list[tuple[onnx.NodeProto, int]]] = {}
    for node in graph.of("Mul", "Div"):
        for operand, name in enumerate(node.input):
            value, first = graph.constant(name), graph.constant(node.input[0])
            if _is_float(value) and value.size == 1 and first is None:
                users.setdefault(float(value.reshape(())), []).append((node, operand))
    several = [(number, found) for number, found in users.items() if len(found) > 1]
    if not several:
        return None
    number, found = graph.random.choice(sorted(several, key=lambda entry: entry[0]))
    (first, operand), *others = found[:2]
    graph.give(first, operand, np.float32(number * 1.1))
    for node, place in others:
        node.input[place] = first.input[operand]
    causes = ("weights.one", "attention.scale", "attribute.activation", "structure.missing_op")
    return tuple(Planted(causes, (node.name,)) for node, _ in found[:2])


SEVERAL: Mapping[str, PlantSeveral] = {
    "two weights": both(("weight scaled", 0.3), ("weight element", 1.0)),
    "two of a kind": both(("weight scaled", 0.3), ("weight scaled", 0.1)),
    "epsilon, weight": both(("epsilon", 0.1), ("weight scaled", 0.3)),
    "gross and faint": both(("residual", 1.0), ("weight scaled", 1e-4)),
    "bias, activation": both(("bias", 1.0), ("missing activation", 1.0)),
    "padding, slope": both(("padding", 1.0), ("activation", 0.5)),
    "half, weight": both(("reduced precision", 1.0), ("weight transposed", 1.0)),
    "scale, residual": both(("attention scale", 1.0), ("residual", 1.0)),
    "layout, epsilon": both(("attention layout", 1.0), ("epsilon", 0.1)),
    "order, bias": both(("operands", 1.0), ("bias", 1.0)),
    "three": both(("weight scaled", 0.3), ("bias", 1.0), ("reduced precision", 1.0)),
    "healed by norm": healed_by_norm,
    "healed by softmax": healed_by_softmax,
    "healed by clipping": healed_by_clipping,
    "late reader": late_reader,
    "shared weight": shared_weight,
    "shared number": shared_number,
}


def planted_several(made: Subject, name: str) -> tuple[Graph, tuple[Planted, ...]] | None:
    """Return a copy of the subject's file with these faults, None where there is no place."""
    model = onnx.ModelProto()
    model.CopyFrom(made.file)
    graph = Graph(model, Random(f"{made.name} {name}"))
    planted = SEVERAL[name](made, graph)
    return None if planted is None else (graph, planted)
