"""Changes of a graph that undo a suspected cause, in words and in place.

Every edit finds its place by the names of sites, which are unique in a file, so the same edit
serves the cut-out segment in which a hypothesis is tried and the whole file, bodies included,
in which it is proved and written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.reach import Change, reach
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a graph: `action` in words for the user, `apply` in place.

    `apply` raises KeyError where the graph lacks the place. values: those whose nodes change.
    lasting: it is right for every input, so that it may be written to a file.
    """

    action: str
    apply: Change
    values: tuple[str, ...] = ()
    lasting: bool = True


def edit_at(value: str, change: Change, action: str, lasting: bool = True) -> Edit:
    """Return a change of the node that makes `value`, in whichever body that is.

    change: of the graph or body that holds the node; names in it are those of sites.
    """
    return Edit(action, partial(reach, value=value, change=change), (value,), lasting)


def producer(graph: GraphProto, value: str) -> NodeProto:
    """Return the node that makes `value`; KeyError where none does."""
    for node in graph.node:
        if value in node.output:
            return node  # type: ignore[no-any-return]
    raise KeyError(value)


def reader(graph: GraphProto, value: str, operand: int) -> NodeProto:
    """Return the node that makes `value`; KeyError where none does or it has no such operand."""
    node = producer(graph, value)
    if operand >= len(node.input):  # another edit made it a node of another kind
        raise KeyError(f"operand {operand} of {value}")
    return node


def set_attributes(value: str, attributes: Mapping[str, Any], action: str) -> Edit:
    """Set attributes of the node that makes `value`; None removes one."""

    def apply(graph: GraphProto) -> None:
        from onnx import helper

        node = producer(graph, value)
        kept = [a for a in node.attribute if a.name not in attributes]
        new = [helper.make_attribute(k, v) for k, v in attributes.items() if v is not None]
        del node.attribute[:]
        node.attribute.extend([*kept, *new])

    return edit_at(value, apply, action)


def set_operator(value: str, op_type: str, action: str) -> Edit:
    """Make `value` by another operator of ONNX's own, with the attributes that it has too."""

    def apply(graph: GraphProto) -> None:
        from onnx import defs

        node = producer(graph, value)
        known = defs.get_schema(op_type).attributes
        kept = [a for a in node.attribute if a.name in known or a.name == "axes"]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.op_type = op_type

    return edit_at(value, apply, action)


def keep_outputs(value: str, count: int, action: str) -> Edit:
    """Let the node that makes `value` have `count` outputs: unnamed ones, or fewer."""

    def apply(graph: GraphProto) -> None:
        node = producer(graph, value)
        del node.output[count:]
        for number in range(len(node.output), count):
            node.output.append(fresh_name(graph, f"{value}.output{number}"))

    return edit_at(value, apply, action)


def set_weight(value: str, operand: int, array: Array, action: str) -> Edit:
    """Give the node that makes `value` a weight of its own as operand number `operand`.

    The old initializer stays for whatever else reads it.
    """

    def apply(graph: GraphProto) -> None:
        node = producer(graph, value)
        while len(node.input) <= operand:
            node.input.append("")
        node.input[operand] = add_weight(graph, f"{value}.operand{operand}", array)

    return edit_at(value, apply, action)


def rewire(
    value: str, operand: int, source: str, action: str, shape: Sequence[int] | None = None
) -> Edit:
    """Let the node that makes `value` read `source` as operand `operand`, reshaped if asked."""

    def apply(graph: GraphProto) -> None:
        from onnx import helper

        node, read = reader(graph, value, operand), source
        if shape is not None:
            read = fresh_name(graph, f"{source}.reshaped")
            sizes = add_weight(graph, f"{source}.shape", np.asarray(shape, np.int64))
            graph.node.append(helper.make_node("Reshape", [source, sizes], [read], name=read))
        node.input[operand] = read
        sort_topologically(graph)

    return edit_at(value, apply, action)


def reorder_inputs(value: str, order: Sequence[int], action: str) -> Edit:
    """Give the node that makes `value` its operands in another order."""

    def apply(graph: GraphProto) -> None:
        node = reader(graph, value, max(order))
        inputs = list(node.input)
        del node.input[:]
        node.input.extend(inputs[i] for i in order)

    return edit_at(value, apply, action)


def add_weight(graph: GraphProto, stem: str, array: Array) -> str:
    """Add an initializer under a fresh name and return that name."""
    from onnx import numpy_helper

    name = fresh_name(graph, stem)
    # order="C" keeps a scalar a scalar, where ascontiguousarray makes it a vector
    graph.initializer.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
    return name


def fresh_name(graph: GraphProto, stem: str) -> str:
    """Return `stem`, or `stem.2`, `stem.3`, ... where it is taken."""
    taken = {o for n in graph.node for o in (*n.output, *n.input)}
    taken.update(i.name for i in graph.initializer)
    taken.update(i.name for i in graph.input)
    name, k = stem, 1
    while name in taken:
        k += 1
        name = f"{stem}.{k}"
    return name


def sort_topologically(graph: GraphProto) -> None:
    """Reorder nodes so that each stands behind what it reads (stable).

    An edit may name a value that is made later in the file than the place it is used in.
    """
    made = {o: i for i, n in enumerate(graph.node) for o in n.output if o}
    nodes = list(graph.node)
    order: list[int] = []
    state = [0] * len(nodes)  # 0 untouched, 1 on the stack, 2 placed
    for start in range(len(nodes)):
        stack = [start]
        while stack:
            i = stack[-1]
            if state[i] == 2:
                stack.pop()
                continue
            state[i] = 1
            waiting = [made[v] for v in _reads(nodes[i]) if v in made and state[made[v]] == 0]
            if waiting:
                stack.extend(reversed(waiting))
            else:
                state[i] = 2
                order.append(i)
                stack.pop()
    if order == list(range(len(nodes))):
        return
    del graph.node[:]
    graph.node.extend(nodes[i] for i in order)


def _reads(node: NodeProto) -> list[str]:
    """Names a node reads, those captured by its bodies included."""
    names = list(node.input)
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            names.extend(name for inner in body.node for name in _reads(inner))
    return names


def swap_outputs(value: str, order: Sequence[int], action: str) -> Edit:
    """Let the node that makes `value` give its outputs in another order."""

    def apply(graph: GraphProto) -> None:
        node = producer(graph, value)
        outputs = list(node.output)
        del node.output[:]
        node.output.extend(outputs[i] for i in order)

    return edit_at(value, apply, action)


def pass_through(value: str, source: str, action: str) -> Edit:
    """Let `value` be `source` itself: its node becomes an Identity."""

    def apply(graph: GraphProto) -> None:
        from onnx import helper

        old = producer(graph, value)
        position = list(graph.node).index(old)
        graph.node.remove(old)
        graph.node.insert(position, helper.make_node("Identity", [source], [value], name=old.name))

    return edit_at(value, apply, action)


def together(edits: Sequence[Edit], action: str) -> Edit:
    """Apply several edits as one."""

    def apply(graph: GraphProto) -> None:
        for edit in edits:
            edit.apply(graph)

    return Edit(action, apply, tuple(value for edit in edits for value in edit.values))
