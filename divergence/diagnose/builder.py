"""Build nodes into a graph, a function at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from divergence.diagnose.edits import (
    Edit,
    add_weight,
    edit_at,
    fresh_name,
    producer,
    reader,
    sort_topologically,
)
from divergence.records import Array

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


@dataclass
class Builder:
    """Collects nodes for one function; every method returns a value's name."""

    graph: GraphProto
    stem: str
    dtype: np.dtype[Any]
    nodes: list[NodeProto] = field(default_factory=list)

    def node(self, op: str, *inputs: str | float | Array, **attributes: Any) -> str:
        """Add a node; a number or an array becomes a constant of the function's dtype."""
        from onnx import helper

        names = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        output = fresh_name(self.graph, f"{self.stem}.{op}{len(self.nodes)}")
        self.nodes.append(helper.make_node(op, names, [output], name=output, **attributes))
        return output

    def constant(self, value: float | Array) -> str:
        """Add a constant."""
        return add_weight(self.graph, f"{self.stem}.c", np.asarray(value, self.dtype))


# Builds a function of one value; returns the result's name.
Make = Callable[[Builder, str], str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something may be inserted: behind `value`, or before an operand of its node."""

    value: str
    operand: int | None = None

    def __str__(self) -> str:
        if self.operand is None:
            return f"behind {self.value}"
        return f"before operand {self.operand} of {self.value}"


def insert(place: Place, make: Make, dtype: np.dtype[Any], action: str) -> Edit:
    """Put a function at a place; names of values that others read stay what they are."""

    def apply(graph: GraphProto) -> None:
        builder = Builder(graph, f"{place.value}.added", dtype)
        if place.operand is None:
            node = producer(graph, place.value)
            raw = fresh_name(graph, f"{place.value}.raw")
            node.output[list(node.output).index(place.value)] = raw
            _finish(builder, make(builder, raw), place.value)
        else:
            node = reader(graph, place.value, place.operand)
            node.input[place.operand] = make(builder, node.input[place.operand])
        graph.node.extend(builder.nodes)
        sort_topologically(graph)

    return edit_at(place.value, apply, action)


def rebuild(value: str, source: str, make: Make, dtype: np.dtype[Any], action: str) -> Edit:
    """Make `value` by a function of `source` instead of by its node."""

    def apply(graph: GraphProto) -> None:
        builder = Builder(graph, f"{value}.rebuilt", dtype)
        made = make(builder, source)
        old = producer(graph, value)
        old.output[list(old.output).index(value)] = fresh_name(graph, f"{value}.old")
        _finish(builder, made, value)
        graph.node.extend(builder.nodes)
        sort_topologically(graph)

    return edit_at(value, apply, action)


def _finish(builder: Builder, made: str, name: str) -> None:
    """Give the function's result the name that readers know."""
    for node in builder.nodes:
        for position, output in enumerate(node.output):
            if output == made:
                node.output[position] = name
