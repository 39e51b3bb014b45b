"""Values that ONNX Runtime put into blocked layout (NCHWc), found again in the user's file.

The runtime gives such values names of its own (`reorder_token_7`). A blocked convolution or
pooling node is called after the value that it made before the layout was changed, plus `_nchwc`;
an addition and an activation may have been fused into it since. Every other node on blocked
values is recognised by what it reads. What is not certain is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from divergence.capture.onnx_graph import Wiring, between
from divergence.capture.onnx_shapes import UNKNOWN, ValueType
from divergence.capture.onnx_tensors import value_of

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

DOMAIN = "com.microsoft.nchwc"
# Where a provider has no float16 kernel the value is computed in float32, under this name.
WIDENED = "InsertedPrecisionFreeCast_"
# A batch normalisation becomes a depthwise convolution, with `_bn` in front.
_NAMED = re.compile(r"(.+?)(_bn)?_nchwc(_token_\d+)?")

# Operators whose result has the channels of what they read first; of all that they read.
_KEEPING = frozenset(
    {"AveragePool", "BatchNormalization", "Clip", "Dropout", "Elu", "GlobalAveragePool"}
    | {"GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "MaxPool", "PRelu"}
    | {"QuickGelu", "Relu", "Resize", "Sigmoid", "Softplus", "Tanh", "Upsample"}
)
_JOINING = frozenset({"Add", "Concat", "Div", "Mul", "Sub", "Sum"})
# The second operand that changes nothing.
_NEUTRAL = {"Add": 0, "Sub": 0, "Mul": 1, "Div": 1}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is: its name in the traced graph, and the prefix of the body around it.

    channels: of a value in blocked layout, None for any other; axes: the transposition that
    gives the file's value, where its axes are in another order; element: its ONNX element type
    where the runtime changed it.
    """

    value: str
    body: str = ""
    channels: int | None = None
    axes: tuple[int, ...] | None = None
    element: int | None = None


def follow(
    wiring: Wiring,
    graph: GraphProto,
    known: Mapping[str, Place],
    types: Mapping[str, ValueType],
) -> dict[str, Place]:
    """Return the places of values that exist in blocked layout alone.

    types: of the user's values; one whose number of channels is not known is left out.
    """
    tracker = _Tracker(wiring, {p.value: name for name, p in known.items() if not p.body})
    for node in graph.node:
        tracker.visit(node)
    found = {tracker.names[value]: value for value in tracker.blocked if value in tracker.names}
    channels = {name: _channels(name, wiring, types) for name in found}
    return {
        name: Place(value, channels=channels[name])
        for name, value in found.items()
        if name not in known and channels[name]
    }


def _channels(name: str, wiring: Wiring, types: Mapping[str, ValueType]) -> int | None:
    """Return a value's channels: of its shape, else of the convolutions that read or made it."""
    dims = types.get(name, UNKNOWN).dims
    if dims is not None:
        return dims[1] if len(dims) > 1 else 1
    for reader in wiring.consumers.get(name, ()):
        weight = _weight(reader, types)
        if weight and reader.input[0] == name:
            groups = next((a.i for a in reader.attribute if a.name == "group"), 1)
            return weight[1] * groups
    made = wiring.producers.get(name)
    return None if made is None else _channels_made(made[1], wiring, types)


def _channels_made(node: NodeProto, wiring: Wiring, types: Mapping[str, ValueType]) -> int | None:
    """Return the channels of what a node makes; None where it may arrange them anew."""
    weight = _weight(node, types)
    if weight:
        return weight[0]
    if node.op_type in _KEEPING:
        return _channels(node.input[0], wiring, types)
    if node.op_type not in _JOINING:
        return None
    found = [c for source in node.input if (c := _channels(source, wiring, types))]
    if len(found) < len(node.input):
        return None
    return sum(found) if node.op_type == "Concat" else max(found)


def _weight(node: NodeProto, types: Mapping[str, ValueType]) -> tuple[int, ...] | None:
    return types.get(node.input[1], UNKNOWN).shape if node.op_type.endswith("Conv") else None


def _acts_as(node: NodeProto) -> tuple[str, str]:
    """Return a node's operator, and the activation that is fused into it."""
    fused = (a.s.decode() for a in node.attribute if a.name == "activation")
    return node.op_type, next(fused, "")


class _Tracker:
    """Walks the rewritten graph in order; `names` maps its values to those of the file."""

    def __init__(self, wiring: Wiring, names: Mapping[str, str]) -> None:
        self.wiring = wiring
        self.names = dict(names)
        self.blocked: dict[str, None] = {}

    def visit(self, node: NodeProto) -> None:
        """Find the file's name of what a node makes, where it has lost it."""
        if node.domain == DOMAIN and node.op_type == "ReorderInput":
            self._same(node)
        elif node.domain == DOMAIN and node.op_type != "ReorderOutput":
            self._put(node.output[0], self._layout_node(node))
        elif any(name in self.blocked for name in node.input):
            for number, output in enumerate(node.output):
                if output and output not in self.names:
                    self._put(output, self._other_node(node, number))

    def _same(self, node: NodeProto) -> None:
        self.blocked[node.output[0]] = None
        source = self.names.get(node.input[0], node.input[0])
        self.names[node.output[0]] = source

    def _put(self, value: str, name: str | None) -> None:
        self.blocked[value] = None
        if name is not None:
            self.names[value] = name

    def _layout_node(self, node: NodeProto) -> str | None:
        found = _NAMED.fullmatch(node.name)
        base = found[1].removeprefix(WIDENED) if found else ""
        possible = (base, base + (found[2] or "")) if found else ()
        name = next((n for n in possible if n in self.wiring.producers), None)
        if name is None:
            return self._other_node(node, 0)
        if len(node.input) > 3 and node.input[3]:
            name = self._addition(name, node.input[3])
        activation = _acts_as(node)[1]
        return self._activation(name, activation) if activation else name

    def _addition(self, name: str | None, other: str) -> str | None:
        """Return the sum that was fused into the convolution that made `name`."""
        for node in self._readers(name):
            if node.op_type in ("Add", "Sum") and self._is_read(self.names.get(other), node):
                return str(node.output[0])
        return None

    def _activation(self, name: str | None, op: str) -> str | None:
        if name is None or op in _acts_as(self.wiring.producers[name][1]):
            return name
        made = [str(n.output[0]) for n in self._readers(name) if n.op_type == op]
        return made[0] if len(made) == 1 else None

    def _other_node(self, node: NodeProto, number: int) -> str | None:
        """Return the value that a node makes of values that are known.

        A fused node is called after the last node that it stands for, and a mark of the fusion.
        """
        sources = {self.names[name] for name in node.input if name in self.names}
        for name, made in self._candidates(number, sources):
            _, entries = between(self.wiring, made, sources)
            if entries == sources and (name == node.name or node.name.startswith(f"{name}/")):
                return made
        return None

    def _candidates(self, number: int, sources: set[str]) -> Iterator[tuple[str, str]]:
        """Yield nodes downstream of `sources`, near ones first, with the output in question."""
        seen: set[str] = set()
        level = list(sources)
        # A fusion spans few nodes; further away nothing is found that is named alike.
        for _ in range(8):
            readers = [n for name in level for n in self._readers(name) if n.name not in seen]
            seen.update(n.name for n in readers)
            for reader in readers:
                if len(reader.output) > number and reader.output[number]:
                    yield reader.name, str(reader.output[number])
            level = [name for n in readers for name in n.output if name]

    def _readers(self, name: str | None) -> Iterator[NodeProto]:
        """Yield the nodes that read a value, also through nodes that only pass it on."""
        for node in self.wiring.consumers.get(name or "", ()):
            if self._passes_on(node):
                yield from self._readers(node.output[0])
            else:
                yield node

    def _passes_on(self, node: NodeProto) -> bool:
        """Whether a node gives what it reads, as in a sum that starts at 0: it is left out."""
        if node.op_type in ("Identity", "Dropout"):
            return True
        neutral = _NEUTRAL.get(node.op_type)
        made = self.wiring.producers.get(node.input[-1]) if neutral is not None else None
        if made is None or made[1].op_type != "Constant":
            return False
        value = next((a for a in made[1].attribute if a.name == "value"), None)
        return value is not None and value_of(value.t).tolist() == neutral

    def _is_read(self, name: str | None, node: NodeProto) -> bool:
        if name is None:
            return False
        return any(reader.name == node.name for reader in self._readers(name))
