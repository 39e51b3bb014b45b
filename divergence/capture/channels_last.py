"""Values that ONNX Runtime keeps channels last (NHWC), found again in the user's file.

Quantised convolutions run channels last. Their results, and those of the nodes that such values
flow through, have new names; but each node keeps its own, so the graph that the runtime makes
with this one rewriting left out tells which value of the file a node makes. Layouts are followed
through the graph, from transpositions and from the operators that work channels last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from divergence.capture.blocked import Place
from divergence.capture.onnx_shapes import UNKNOWN, ValueType

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

# The optimiser that is left out to learn the names.
OPTIMIZER = "NhwcTransformer"
_SUFFIX = re.compile(r"_token_\d+$")

Axes = tuple[int, ...]


def is_used(graph: GraphProto) -> bool:
    """Tell whether nodes of a graph work channels last."""
    return any(_works_last(node) for node in graph.node)


def follow(
    graph: GraphProto, plain: GraphProto, types: Mapping[str, ValueType]
) -> dict[str, Place]:
    """Return the places of values that `graph` keeps in another order of axes.

    plain: the graph without that rewriting; types: of the user's values.
    """
    made = {node.name: tuple(node.output) for node in plain.node}
    owners = {name: name for names in made.values() for name in names}
    owners.update({value.name: value.name for value in graph.input})
    axes: dict[str, Axes | None] = dict.fromkeys(owners)
    found: dict[str, Place] = {}
    for node in graph.node:
        names = made.get(_SUFFIX.sub("", node.name)) or made.get(node.name, ())
        if node.op_type == "Transpose" and not node.domain and node.input[0] in owners:
            names = (owners[node.input[0]],)
        for output, name in zip(node.output, names, strict=False):
            if output and output not in owners:
                owners[output] = name
                axes[output] = layout = _axes(node, axes, types.get(name, UNKNOWN))
                if layout is not None:
                    back = tuple(sorted(range(len(layout)), key=layout.__getitem__))
                    found[name] = Place(output, axes=back)
    return found


def _axes(node: NodeProto, axes: Mapping[str, Axes | None], known: ValueType) -> Axes | None:
    """Return which axes of the user's value the axes of a node's result are; None: the same."""
    before = next((found for name in node.input if (found := axes.get(name))), None)
    if _works_last(node):
        rank = len(known.dims or before or ())
        return (0, *range(2, rank), 1) if rank > 2 else None
    if node.op_type == "Transpose" and not node.domain:
        turn = next((tuple(a.ints) for a in node.attribute if a.name == "perm"), None)
        if turn is None:
            return None
        after = turn if before is None else tuple(before[axis] for axis in turn)
        return None if after == tuple(range(len(after))) else after
    # A reshape leaves nothing of the order of axes that could be told.
    kept = before is not None and len(before) == len(known.dims or before)
    return before if kept and node.op_type != "Reshape" else None


def _works_last(node: NodeProto) -> bool:
    last = any(a.name == "channels_last" and a.i == 1 for a in node.attribute)
    return node.domain == "com.microsoft" and (last or node.op_type.startswith("Nhwc"))
