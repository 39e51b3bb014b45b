"""The fed run: parts of the file that start from given values instead of their own.

A boundary is a value at the top of the graph. Its readers get the value that is fed, and what
the graph itself makes of it is shown: the difference between the two was made in the segment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from divergence.capture.blocked_file import blocked_values
from divergence.capture.onnx_file import OnnxFile
from divergence.capture.onnx_graph import Wiring, between, wire
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.runner import Probe
from divergence.capture.surgery import BLOCKED, prune
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

# Mark of a boundary's own result, beside the fed value that has its name.
_OWN = "divergence:own:"
# Marks of values whose layout is changed on the way in and out: they are blocked in the file.
_FED, _OUT = "divergence:fed:", "divergence:out:"


@dataclass(frozen=True, slots=True)
class FedWindow:
    """A part of the file whose values fit into the memory bound.

    inputs: boundaries and model inputs that it is fed. ends: boundaries whose own results it
    gives, in the order of the file. nodes: what it computes, by name, in that order.
    """

    inputs: tuple[str, ...]
    ends: tuple[str, ...]
    nodes: tuple[str, ...]
    _file: OnnxFile = field(repr=False)
    _elements: Mapping[str, int] = field(repr=False)
    _settings: Settings = field(repr=False)

    def run(self, feeds: Mapping[str, Array], probe: Probe) -> None:
        """Run once, from `feeds` for all of `inputs`; `probe` sees each end's own result.

        Raises:
            CaptureError: the runtime fails.
        """
        given = [(name, feeds[name]) for name in self.inputs]
        session = Session(self._model(), self._settings, self._file.weights)
        fed = {_FED + name if _FED + name in session.inputs else name: v for name, v in given}
        values = session.run(fed)
        values.reverse()
        for name in self.ends:
            value = values.pop()
            value.flags.writeable = False
            probe(name, value)

    def halves(self) -> tuple[FedWindow, FedWindow]:
        """Return two windows that give the first half of the ends and the rest."""
        wiring = wire(self._file.model.graph)
        parts = _parts(wiring, self.ends, {*self.inputs, *self.ends})
        middle = len(parts) // 2
        of = partial(_window, wiring, self._file, self._elements, self._settings)
        return of(parts[:middle]), of(parts[middle:])

    def _model(self) -> ModelProto:
        from onnx import ModelProto

        model = ModelProto()
        model.CopyFrom(self._file.model)
        _cut(model.graph, self, self._elements)
        return model


def windows(
    file: OnnxFile,
    boundaries: Sequence[str],
    elements: Mapping[str, int],
    sizes: Mapping[str, int],
    memory: int,
    settings: Settings,
) -> list[FedWindow]:
    """Divide a file at its boundaries into as few windows as the memory bound allows.

    boundaries: values made at the top of the graph; others are left out. elements: ONNX element
    types of the boundaries. sizes: bytes of the boundaries and model inputs, 0 where not known.
    memory: for what a window is fed, what it makes, and the values that this is compared with.
    A window exceeds it only where one segment alone does.
    """
    wiring = wire(file.model.graph)
    ends = [name for name in dict.fromkeys(boundaries) if name in wiring.producers]
    ends.sort(key=lambda name: wiring.producers[name][0])
    inputs = {value.name for value in file.model.graph.input}
    parts = _parts(wiring, ends, inputs | set(ends))
    of = partial(_window, wiring, file, elements, settings)
    return [of(group) for group in _grouped(parts, sizes, memory)]


_Part = tuple[str, list["NodeProto"], set[str]]


def _parts(wiring: Wiring, ends: Sequence[str], cuts: Collection[str]) -> list[_Part]:
    """Return each end with the nodes that compute it and the cuts that these read."""
    return [(end, *between(wiring, end, cuts)) for end in ends]


def _window(
    wiring: Wiring,
    file: OnnxFile,
    elements: Mapping[str, int],
    settings: Settings,
    group: Sequence[_Part],
) -> FedWindow:
    read = {name for _, _, entries in group for name in entries}
    nodes = {id(node): node for _, found, _ in group for node in found}

    def place(name: str) -> int:
        return wiring.producers[name][0] if name in wiring.producers else -1

    order = sorted(nodes.values(), key=lambda node: place(_first(node)))
    return FedWindow(
        inputs=tuple(sorted(sorted(read), key=place)),
        ends=tuple(end for end, _, _ in group),
        nodes=tuple(node.name for node in order),
        _file=file,
        _elements=elements,
        _settings=settings,
    )


def _grouped(
    parts: Sequence[_Part], sizes: Mapping[str, int], memory: int
) -> Iterator[list[_Part]]:
    """Yield consecutive segments that fit together.

    Each value that a segment reads or is to give is held once, and what it gives besides.
    """
    group: list[_Part] = []
    held: set[str] = set()
    used = 0
    for part in parts:
        end, _, entries = part
        needed = {end, *entries}
        more = _bytes([end, *(needed - held)], sizes)
        if group and used + more > memory:
            yield group
            group, held, used = [], set(), 0
            more = _bytes([end, *needed], sizes)
        group.append(part)
        held |= needed
        used += more
    if group:
        yield group


def _bytes(names: Collection[str], sizes: Mapping[str, int]) -> int:
    return sum(sizes.get(name, 0) for name in names)


def _first(node: NodeProto) -> str:
    return str(next(name for name in node.output if name))


def _cut(graph: GraphProto, window: FedWindow, elements: Mapping[str, int]) -> None:
    """Reduce a graph to a window: boundaries become inputs, own results outputs."""
    blocked = blocked_values(graph)
    kept = set(window.nodes)
    nodes = [node for node in graph.node if node.name in kept]
    for node in nodes:
        _rename_outputs(node, {*window.inputs, *window.ends})
    declared = {value.name: value for value in graph.input}
    inputs = [_input(declared.get(n), n, n in blocked, elements) for n in window.inputs]
    before = [_layout("ReorderInput", _FED + n, n) for n in window.inputs if n in blocked]
    behind = [
        _layout("ReorderOutput", _OWN + name, _OUT + name, channels=blocked[name])
        for name in window.ends
        if name in blocked
    ]
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:]
    graph.node.extend([*before, *nodes, *behind])
    graph.input.extend(inputs)
    for name in window.ends:
        graph.output.add().name = (_OUT if name in blocked else _OWN) + name
    prune(graph)


def _rename_outputs(node: NodeProto, boundaries: Collection[str]) -> None:
    outputs = [_OWN + name if name in boundaries else name for name in node.output]
    del node.output[:]
    node.output.extend(outputs)


def _input(
    declared: ValueInfoProto | None, name: str, blocked: bool, elements: Mapping[str, int]
) -> ValueInfoProto:
    from onnx import helper

    if declared is not None:
        return declared
    kind = helper.make_tensor_type_proto(elements[name], None)
    return helper.make_value_info(_FED + name if blocked else name, kind)


def _layout(op: str, source: str, target: str, channels: int | None = None) -> NodeProto:
    from onnx import helper

    node = helper.make_node(op, [source], [target], domain=BLOCKED)
    if channels is not None:
        node.attribute.append(helper.make_attribute("channels", channels))
    return node
