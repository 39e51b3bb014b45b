"""Change a graph where a value is made, also inside bodies, which a path leads to.

A change is written for one flat graph with the names of sites. In a file it is made in the body
that the value is in, whose names are those of the sites while it is made; in a graph in which
bodies are laid out it is made at every turn, because a body has one set of nodes for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import bodies
from divergence.capture.renaming import defined, rename

if TYPE_CHECKING:
    from onnx import GraphProto

Change = Callable[["GraphProto"], None]

_TURN = re.compile(r"(.+/(?:body|then_branch|else_branch)/.+?)(#\d+)?")
# Bodies from the outermost to the one that holds a value, each with the prefix of its sites.
Path = list[tuple[str, "GraphProto"]]


def reach(graph: GraphProto, value: str, change: Change) -> None:
    """Make a change where `value` is made; KeyError where nothing makes it."""
    turns = _turns(graph, value)
    path = [] if turns else _path(graph, value, "")
    if not path:
        for turn in turns or [value]:
            _swapped(graph, _suffix(value), _suffix(turn), change)
        return
    _in_body(path, _suffix(value), change)


def _suffix(value: str) -> str:
    """Return what tells the turn of a value in a body: `#1`, or nothing at the first."""
    found = _TURN.fullmatch(value)
    return (found[2] or "") if found else ""


def _turns(graph: GraphProto, value: str) -> list[str]:
    """Return the values at the top that stand for this one, at any turn."""
    made = {name for node in graph.node for name in node.output}
    if not (found := _TURN.fullmatch(value)):
        return [value] if value in made else []
    return sorted(name for name in made if name == found[1] or name.startswith(f"{found[1]}#"))


def _swapped(graph: GraphProto, own: str, other: str, change: Change) -> None:
    """Make a change with the names of two turns swapped: it is written for one of them."""
    if own == other:
        change(graph)
        return
    bases = {f[1] for name in defined(graph) if (f := _TURN.fullmatch(name))}
    swap = {base + own: base + other for base in bases}
    swap.update({new: old for old, new in swap.items()})
    rename(graph, swap)
    try:
        change(graph)
    finally:
        rename(graph, swap)


def _path(graph: GraphProto, value: str, prefix: str) -> Path:
    """Return the bodies that lead to `value`; KeyError where none does."""
    local = value.removeprefix(prefix)
    names = {local, local.removesuffix(_suffix(value))}
    if prefix and any(names & set(node.output) for node in graph.node):
        return [(prefix, graph)]
    for node in graph.node:
        for branch, body in bodies(node):
            inner = f"{prefix}{node.name}/{branch}/"
            if value.startswith(inner):
                return [*([(prefix, graph)] if prefix else []), *_path(body, value, inner)]
    if prefix:
        raise KeyError(value)
    return []


def _in_body(path: Path, suffix: str, change: Change) -> None:
    """Make a change in the last body of a path, its names and those around it as of sites."""
    from onnx import GraphProto

    names: dict[str, str] = {}
    for prefix, body in path:
        names.update({name: f"{prefix}{name}{suffix}" for name in defined(body)})
    view, (_, body) = GraphProto(), path[-1]
    view.CopyFrom(body)
    rename(view, names)
    change(view)
    rename(view, _inverse(names))
    body.CopyFrom(view)


def _inverse(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}
