"""A program as a graph of contents: what the strategies look at.

Sites that hold one content in different layouts or types (a value, its reshaped, transposed,
cast or quantised copies) form one node of the graph, named by the first of them. A fused
node of the runtime is opened into the steps that it takes; only the last of them is a site.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from divergence.matching.kinds import (
    RANDOM,
    SHAPE_OPS,
    TRANSPARENT,
    TRANSPARENT_IF_SAME_SIZE,
    kind_of,
    normal,
)
from divergence.records import Program, Site

# ONNX Runtime's fused nodes, as the steps before the last one that is their output's kind.
_FUSED: Final[dict[str, tuple[str, ...]]] = {
    "skiplayernormalization": ("add", "layer_norm"),
    "skipsimplifiedlayernormalization": ("add", "rms_norm"),
    "skipgroupnorm": ("add", "group_norm"),
    "biasgelu": ("add", "gelu"),
    "biassoftmax": ("add", "softmax"),
    "biassplitgelu": ("add", "mul"),
}
_PARAMETRIC: Final = frozenset({"conv", "conv_transpose", "matmul", "rnn", "attention"})


@dataclass(slots=True)
class Node:
    """A content: one step of a computation and every site that holds its result.

    sites: names, the step's own output first; empty for a step inside a fused node, which
    `inside` names. operands, consumers: indices of nodes. weights: names of parameters read,
    also through constant expressions. part: which of an operator's outputs, or of its slices.
    """

    index: int
    kind: str
    op: str
    sites: list[str]
    operands: tuple[int, ...]
    weights: tuple[str, ...]
    shape: tuple[int, ...] | None
    order: int
    scope: str = ""
    part: float = 0.0
    inside: str = ""
    hidden: bool = False
    attributes: Any = None
    consumers: list[int] = field(default_factory=list)

    @property
    def size(self) -> int | None:
        """Count of elements, None where the shape is not known."""
        return None if self.shape is None else math.prod(self.shape)


class Graph:
    """The contents of a program in execution order.

    nodes: by index. of: node index by site name, aliases and layout copies included.
    sites: the program's sites by name. shape_only: names of sites that compute shapes.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.nodes: list[Node] = []
        self.of: dict[str, int] = {}
        self.sites: dict[str, Site] = {site.name: site for site in program.sites}
        self.shape_only: set[str] = set()
        self._constants: dict[str, tuple[str, ...]] = {}
        self._known: dict[Any, int] = {}
        for site in program.sites:
            self._add(site)
        for node in self.nodes:
            for operand in dict.fromkeys(node.operands):
                self.nodes[operand].consumers.append(node.index)
        self.outputs = tuple(self.of[name] for name in program.outputs if name in self.of)

    def producers(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the nodes that hold these sites' contents, unknown and constant ones left out."""
        return tuple(self.of[name] for name in names if name in self.of)

    def _add(self, site: Site) -> None:
        if site.constant:
            self._constants[site.name] = self._weights(site)
            return
        if site.alias_of is not None and site.alias_of in self.of:
            self._join(site, self.of[site.alias_of])
            return
        if self._is_shape(site):
            self.shape_only.add(site.name)
            return
        operands = self.producers(site.inputs)
        if operands and self._is_transparent(site, operands):
            self._join(site, operands[0])
            return
        self._compute(site, operands)

    def _join(self, site: Site, index: int) -> None:
        self.nodes[index].sites.append(site.name)
        self.of[site.name] = index

    def _compute(self, site: Site, operands: tuple[int, ...]) -> None:
        op, weights = operator(site), self._weights(site)
        part = self._part(site)
        key = (normal(op), operands, weights, _frozen(site.attributes), part)
        if operands and normal(op) not in RANDOM and key in self._known:
            self._join(site, self._known[key])  # computed twice: one content
            return
        steps = _steps(site, len(operands))
        for kind in steps[:-1]:
            operands = (self._append(site, kind, operands, weights, hidden=True),)
            weights = ()
        index = self._append(site, steps[-1], operands, weights, hidden=False)
        self.nodes[index].part = part
        self.of[site.name] = index
        self._known[key] = index

    def _append(
        self,
        site: Site,
        kind: str,
        operands: tuple[int, ...],
        weights: tuple[str, ...],
        *,
        hidden: bool,
    ) -> int:
        node = Node(
            index=len(self.nodes),
            kind=kind,
            op=site.op,
            sites=[] if hidden else [site.name],
            operands=operands,
            weights=weights,
            shape=site.shape,
            order=site.order,
            scope=site.scope,
            inside=site.name if hidden else "",
            hidden=hidden,
            attributes=site.attributes,
        )
        self.nodes.append(node)
        return node.index

    def _weights(self, site: Site) -> tuple[str, ...]:
        through = (w for name in site.inputs for w in self._constants.get(name, ()))
        return tuple(dict.fromkeys((*through, *site.weights)))

    def _is_shape(self, site: Site) -> bool:
        if normal(site.op) in SHAPE_OPS:
            return True
        known = [name for name in site.inputs if name in self.of or name in self.shape_only]
        return bool(known) and all(name in self.shape_only for name in known)

    def _is_transparent(self, site: Site, operands: tuple[int, ...]) -> bool:
        name = normal(operator(site))
        size = self.nodes[operands[0]].size
        if site.shape is None or size is None:
            return name in TRANSPARENT
        if size != math.prod(site.shape):
            return False
        return name in TRANSPARENT or (name in TRANSPARENT_IF_SAME_SIZE and len(operands) == 1)

    def _part(self, site: Site) -> float:
        """Return which of its operator's results this is, or at which index a slice begins."""
        name = site.name
        if site.kind != "node" and name.endswith("]") and "[" in name:
            return float(name[name.rindex("[") + 1 : -1])
        for key in ("divergence.output", "index", "start"):
            if isinstance(site.attributes.get(key), int):
                return float(site.attributes[key])
        if site.op in {"Slice", "Gather"} and site.weights:
            return self._first(site.weights[0])
        return 0.0

    def _first(self, weight: str) -> float:
        values = self.program.weights[weight]
        if math.prod(values.shape) != 1 or "int" not in values.dtype:
            return 0.0
        return float(values.load().reshape(-1)[0])


def operator(site: Site) -> str:
    """Return the operator that made a site's value; a leaf module names its last ATen op.

    >>> operator(Site("fc", "module", "Linear", "fc", 0, attributes={"aten": "addmm"}))
    'addmm'
    """
    aten = site.attributes.get("aten")
    return aten if isinstance(aten, str) else site.op


def _steps(site: Site, operands: int) -> tuple[str, ...]:
    """Return the kinds of the steps that a node takes, the one that is its output last."""
    name, kind = normal(operator(site)), kind_of(operator(site))
    if site.kind == "input":
        return ("input",)
    steps = _FUSED.get(name, (kind,))
    if name.startswith("skip") and operands < 2:
        steps = steps[1:]
    if kind in _PARAMETRIC - {"rnn", "attention"}:
        if kind == "conv" and operands > 1 and site.kind == "node":
            steps += ("add",)
        activation = site.attributes.get("activation")
        if isinstance(activation, str) and activation:
            steps += (kind_of(activation),)
    if kind == "conv" and site.attributes.get("transposed"):
        steps = ("conv_transpose",)
    return steps


def _frozen(attributes: Any) -> str:
    plain = (
        (key, value)
        for key, value in attributes.items()
        if isinstance(value, int | float | str | tuple) and not key.startswith("pkg.torch")
    )
    return repr(sorted(plain))
