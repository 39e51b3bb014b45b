"""Bodies laid out at the top of the graph, as one run goes through them.

An `If` becomes the branch that it takes, a `Loop` and a `Scan` their turns one after another. So
what is inside can be cut and fed like everything else. Values keep the names of their sites.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.capture.onnx_file import OnnxFile, bodies, detach_tensor, every_node
from divergence.capture.onnx_tensors import Stored
from divergence.capture.renaming import defined, rename_node
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

# Evaluates values at the top of an edited copy of the model, by name, with these weights.
Evaluate = Callable[["ModelProto", Sequence[str], Mapping[str, Stored]], Mapping[str, Array]]

# The body that is run through, by the name of its attribute.
Turn = tuple[str, "GraphProto"]

HOLDERS = frozenset({"If", "Loop", "Scan"})
# A loop that would become more nodes than this stays what it is.
MOST_NODES = 5000
# The first opset of `ConcatFromSequence`, which stacks what turns give.
STACKING = 11
_MARK = "divergence:flat:"


@dataclass(frozen=True, slots=True)
class Flat:
    """The laid-out file; nodes: for each that came out of a body, its name in the user's file."""

    file: OnnxFile
    nodes: Mapping[str, str]


def flattened(file: OnnxFile, evaluate: Evaluate) -> Flat | None:
    """Lay out the bodies that one run goes through; None where there are none that could be.

    evaluate: runs the file for the inputs that decide which branches and how many turns.
    """
    layout = _Layout(file)
    while holders := layout.holders():
        layout.open(holders, evaluate)
    if not layout.opened:
        return None
    model, weights = layout.model, layout.weights
    return Flat(OnnxFile(model, weights, file.path, file.given, True), layout.nodes)


@dataclass
class _Layout:
    """A copy of the file's graph that is laid out step by step, outermost bodies first."""

    source: OnnxFile
    nodes: dict[str, str] = field(default_factory=dict)
    opened: int = 0

    def __post_init__(self) -> None:
        from onnx import ModelProto

        self.model = ModelProto()
        self.model.CopyFrom(self.source.model)
        self.weights: dict[str, Stored] = dict(self.source.weights)
        self._uses: Counter[str] = Counter()
        self._paths: dict[str, str] = {}  # of laid-out nodes, without their turns
        self._closed: set[str] = set()
        self._held: set[str] = set()
        versions = {entry.domain: entry.version for entry in self.model.opset_import}
        self._stacks = versions.get("", versions.get("ai.onnx", 0)) >= STACKING

    def holders(self) -> list[NodeProto]:
        """Return the nodes at the top whose bodies are still to be laid out."""
        found = [n for n in self.model.graph.node if n.op_type in HOLDERS]
        return [n for n in found if n.domain in ("", "ai.onnx") and n.name not in self._closed]

    def open(self, holders: Sequence[NodeProto], evaluate: Evaluate) -> None:
        """Replace each holder by what it runs through; those too large are closed."""
        probe, names = _probe(self.model, holders)
        found = evaluate(probe, names, self.weights)
        told = dict(zip((node.name for node in holders), (found[n] for n in names), strict=True))
        nodes: list[NodeProto] = []
        for node in self.model.graph.node:
            turns = _turns(node, told[node.name]) if node.name in told else []
            size = sum(len(list(every_node(body))) for _, body in turns)
            if not turns or size > MOST_NODES or (node.op_type != "If" and not self._stacks):
                self._closed.add(node.name)
                nodes.append(_copied(node))
                continue
            nodes += _Holder(self, node, turns).laid_out()
            self.opened += 1
        del self.model.graph.node[:]
        self.model.graph.node.extend(nodes)

    def path(self, node: NodeProto) -> str:
        """Return a node's name in the file with the bodies that it is in, but for turns."""
        return self._paths.get(node.name, str(node.name))

    def own_name(self, node: NodeProto) -> str:
        """Return a node's own name as it stands in the file."""
        return self.nodes.get(node.name, str(node.name))

    def used(self, kind: str, path: str) -> str:
        """Return the name of a value or node at its next turn; the two are counted apart."""
        turn = self._uses[kind + path]
        self._uses[kind + path] += 1
        return f"{path}#{turn}" if turn else path

    def note(self, name: str, path: str, own: str) -> None:
        """Remember where a laid-out node comes from."""
        self._paths[name], self.nodes[name] = path, own

    def hold(self, body: GraphProto, prefix: str) -> dict[str, str]:
        """Bring a body's weights to the top, once; return their names there."""
        names = {tensor.name: prefix + tensor.name for tensor in body.initializer}
        new = [tensor for tensor in body.initializer if names[tensor.name] not in self._held]
        for tensor in new:
            renamed = type(tensor)()
            renamed.CopyFrom(tensor)
            renamed.name = names[tensor.name]
            detach_tensor(renamed, self.model.graph.initializer.add(), None, self.weights)
            self._held.add(renamed.name)
        return names

    def constant(self, stem: str, value: Any) -> str:
        """Add a constant that the layout needs."""
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.asarray(value), f"{_MARK}{stem}")
        if tensor.name not in self._held:
            self._held.add(tensor.name)
            self.model.graph.initializer.append(tensor)
        return str(tensor.name)


@dataclass
class _Holder:
    """One `If`, `Loop` or `Scan` on its way to the top: its turns, and what hands values on."""

    layout: _Layout
    node: NodeProto
    turns: Sequence[Turn]
    made: list[NodeProto] = field(default_factory=list)

    def laid_out(self) -> list[NodeProto]:
        """Return the nodes that take its place."""
        kind, states = self.node.op_type, _states(self.node)
        given = list(self.node.input)
        state = {"If": [], "Loop": given[2:], "Scan": given[:states]}[kind]
        keep = given[1] if kind == "Loop" and given[1] else ""
        stacked: list[list[str]] = []
        for turn, (branch, body) in enumerate(self.turns):
            entries = [*self._before(turn, keep), *state, *self._slices(turn, given[states:])]
            results = self._turn(branch, body, entries)
            if kind == "Loop":
                keep, *results = results
            state = results[:states]
            stacked.append(results[states:])
        for number, (name, result) in enumerate(zip(self.node.output, state, strict=False)):
            if name:
                self._add("Identity", [result], name, f"out{number}")
        for number, name in enumerate(self.node.output[states:]):
            if name:
                self._stack(number, name, [results[number] for results in stacked])
        return self.made

    def _before(self, turn: int, keep: str) -> list[str]:
        if self.node.op_type != "Loop":
            return []
        number = self.layout.constant(f"turn{turn}", np.int64(turn))
        return [number, keep or self.layout.constant("true", np.bool_(True))]

    def _slices(self, turn: int, sources: Sequence[str]) -> list[str]:
        """Return what a scan reads at a turn."""
        if self.node.op_type != "Scan":
            return []
        count = len(sources)
        axes = _listed(self.node, "scan_input_axes", count)
        backwards = _listed(self.node, "scan_input_directions", count)
        names = []
        for number, source in enumerate(sources):
            place = len(self.turns) - 1 - turn if backwards[number] else turn
            where = self.layout.constant(f"at{place}", np.int64(place))
            name = f"{_MARK}{self.node.name}/in{number}#{turn}"
            self._add("Gather", [source, where], name, f"in{number}#{turn}", axis=axes[number])
            names.append(name)
        return names

    def _turn(self, branch: str, body: GraphProto, entries: Sequence[str]) -> list[str]:
        """Add a body's nodes, fed with `entries`; return what it gives."""
        prefix = f"{self.layout.path(self.node)}/{branch}/"
        names = {v.name: e for v, e in zip(body.input, entries, strict=False)}
        names.update(self.layout.hold(body, prefix))
        inner = defined(body) - set(names)
        names.update({name: self.layout.used("value", prefix + name) for name in sorted(inner)})
        for node in body.node:
            copy = _copied(node)
            rename_node(copy, names)
            copy.name = self.layout.used("node", prefix + node.name)
            self.layout.note(copy.name, prefix + node.name, node.name)
            self.made.append(copy)
        return [names.get(value.name, value.name) for value in body.output]

    def _stack(self, number: int, name: str, results: Sequence[str]) -> None:
        """Put the values of all turns on top of each other."""
        count = len(self.node.output) - _states(self.node)
        axis, backwards = 0, 0
        if self.node.op_type == "Scan":
            axis = _listed(self.node, "scan_output_axes", count)[number]
            backwards = _listed(self.node, "scan_output_directions", count)[number]
        order = list(results)[::-1] if backwards else list(results)
        row = f"{_MARK}{self.node.name}/all{number}"
        self._add("SequenceConstruct", order, row, f"all{number}")
        self._add("ConcatFromSequence", [row], name, f"stack{number}", axis=axis, new_axis=1)

    def _add(
        self, op: str, inputs: Sequence[str], output: str, mark: str, **attributes: Any
    ) -> None:
        from onnx import helper

        name = f"{self.node.name}:{mark}"
        self.made.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        self.layout.note(name, self.layout.path(self.node), self.layout.own_name(self.node))


def _probe(model: ModelProto, holders: Sequence[NodeProto]) -> tuple[ModelProto, list[str]]:
    """Return a copy with one value for each holder that tells what it runs through.

    The condition of an `If`, the numbers of a loop's turns, the shape of what a scan reads.
    """
    from onnx import ModelProto, helper

    copy = ModelProto()
    copy.CopyFrom(model)
    known = {node.name: node for node in copy.graph.node}
    names = []
    for number, holder in enumerate(holders):
        node, name = known[holder.name], f"{_MARK}{number}"
        if node.op_type == "Loop":
            (_, body), *_ = bodies(node)
            copied = helper.make_node("Identity", [body.input[0].name], [name + "/turn"])
            body.node.append(copied)
            body.output.add().CopyFrom(helper.make_tensor_value_info(name + "/turn", 7, []))
            unnamed = range(len(node.output), len(body.output) - 2)
            node.output.extend([*(f"{name}/unused{k}" for k in unnamed), name])
        else:
            states = _states(node)
            op = "Identity" if node.op_type == "If" else "Shape"
            read = node.input[0 if node.op_type == "If" else states]
            copy.graph.node.append(helper.make_node(op, [read], [name]))
        names.append(name)
    return copy, names


def _turns(node: NodeProto, told: Array) -> list[Turn]:
    """Return the bodies that a holder runs through, in order."""
    held = dict(bodies(node))
    if node.op_type == "If":
        branch = "then_branch" if bool(told.reshape(-1)[0]) else "else_branch"
        return [(branch, held[branch])]
    if node.op_type == "Loop":
        return [("body", held["body"])] * int(told.size)
    axis = _listed(node, "scan_input_axes", len(node.input) - _states(node))[0]
    return [("body", held["body"])] * int(told[axis])


def _states(node: NodeProto) -> int:
    """Return how many of a holder's first outputs are handed on, not stacked."""
    if node.op_type == "Loop":
        return len(node.input) - 2
    if node.op_type == "Scan":
        read = next(int(a.i) for a in node.attribute if a.name == "num_scan_inputs")
        return len(node.input) - read
    return len(node.output)


def _listed(node: NodeProto, name: str, count: int) -> list[int]:
    found = next((list(a.ints) for a in node.attribute if a.name == name), [])
    return found or [0] * count


def _copied(node: NodeProto) -> NodeProto:
    from onnx import NodeProto

    copy = NodeProto()
    copy.CopyFrom(node)
    return copy
