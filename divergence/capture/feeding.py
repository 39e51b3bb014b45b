"""The fed run: parts of the file that start from given values instead of their own.

A boundary is a value at the top of the graph. Its readers get the value that is fed, and what
the graph itself makes of it is shown: the difference between the two was made in the segment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import OnnxFile
from divergence.capture.onnx_graph import between, wire
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.runner import Probe
from divergence.capture.surgery import prune
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

# Mark of a boundary's own result, beside the fed value that has its name.
_OWN = "divergence:own:"


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
        session = Session(self._model(), self._settings, self._file.weights)
        values = session.run({name: feeds[name] for name in self.inputs})
        values.reverse()
        for name in self.ends:
            value = values.pop()
            value.flags.writeable = False
            probe(name, value)

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
    cuts = inputs | set(ends)
    parts = [(end, *between(wiring, end, cuts)) for end in ends]
    made = []
    for group in _grouped(parts, sizes, memory):
        read = {name for _, _, entries in group for name in entries}
        nodes = {id(node): node for _, found, _ in group for node in found}
        order = sorted(nodes.values(), key=lambda node: wiring.producers[_first(node)][0])
        made.append(
            FedWindow(
                inputs=tuple(name for name in (*sorted(inputs), *ends) if name in read),
                ends=tuple(end for end, _, _ in group),
                nodes=tuple(node.name for node in order),
                _file=file,
                _elements=elements,
                _settings=settings,
            )
        )
    return made


_Part = tuple[str, list["NodeProto"], set[str]]


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
    kept = set(window.nodes)
    nodes = [node for node in graph.node if node.name in kept]
    renamed = {*window.inputs, *window.ends}
    for node in nodes:
        outputs = [_OWN + name if name in renamed else name for name in node.output]
        del node.output[:]
        node.output.extend(outputs)
    declared = {value.name: value for value in graph.input}
    fed = [declared.get(name) for name in window.inputs]
    del graph.node[:], graph.output[:], graph.value_info[:]
    graph.node.extend(nodes)
    del graph.input[:]
    for name, value in zip(window.inputs, fed, strict=True):
        if value is not None:
            graph.input.add().CopyFrom(value)
        else:
            entry = graph.input.add()
            entry.name = name
            entry.type.tensor_type.elem_type = elements[name]
    for name in window.ends:
        graph.output.add().name = _OWN + name
    prune(graph)
