"""A program as a graph of contents: what the strategies look at.

Sites that hold one content in different layouts or types (a value, its reshaped, transposed,
cast or quantised copies) form one node of the graph. A fused node of the runtime is opened
into the steps that it takes; only the last of them is a site. Integers that stand for a value
by a scale are part of its node but none of its sites.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from divergence.matching.kinds import (
    KEEP_SIGN,
    NEUTRAL,
    NONNEGATIVE,
    QUANTISING,
    RANDOM,
    RECURRENT,
    SHAPE_OPS,
    TRANSPARENT,
    TRANSPARENT_IF_SAME_SIZE,
    kind_of,
    normal,
)
from divergence.matching.ranges import clips, has_relu, is_quantised_table
from divergence.matching.recurrent import state_of_cell
from divergence.matching.steps import (
    frozen,
    is_sum,
    moves,
    operator,
    part_of,
    shares,
    split,
    steps_of,
)
from divergence.matching.unblocked import DOMAIN
from divergence.records import Program, Site

SHAPE = "computes a shape"
SCALE = "computes the scale of quantised values"
INSIDE = "a step inside a module that the other side makes in one node"
INTEGERS = "holds integers that stand for a value by a scale"


@dataclass(slots=True)
class Node:
    """A content: one step of a computation and every site that holds its result.

    sites: names, the step's own output first; none for a step inside a fused node and for one
    that exists as integers only. operands, consumers: indices of nodes. weights: names of
    parameters read, also through constant expressions. part: which of an operator's outputs,
    or at which index a slice begins. nonnegative: no element is below zero.
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
    nonnegative: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    consumers: list[int] = field(default_factory=list)

    @property
    def size(self) -> int | None:
        """Count of elements, None where the shape is not known."""
        return None if self.shape is None else math.prod(self.shape)


class Graph:
    """The contents of a program in execution order.

    nodes: by index. of: node index by site name, aliases and layout copies included.
    counts: nodes of each kind. sites: the program's sites by name. beside: sites that hold no
    content, with the reason. hidden: sites that no run shows, with the reason. blocked: ONNX
    Runtime put convolutions into blocked layout.
    """

    def __init__(self, program: Program, whole: frozenset[str] = frozenset()) -> None:
        self.program = program
        self.whole = whole
        self.nodes: list[Node] = []
        self.of: dict[str, int] = {}
        self.sites: dict[str, Site] = {site.name: site for site in program.sites}
        self.beside: dict[str, str] = {}
        self.hidden = {entry.site: entry.reason for entry in program.unobservable}
        self._read = {name for site in program.sites for name in site.inputs}
        self._inner: dict[tuple[str, str], list[str]] = {}
        self._used: dict[str, set[str]] = {}
        self._constants: dict[str, tuple[str, ...]] = {}
        self._known: dict[Any, int] = {}
        for site in program.sites:
            self._add(site)
        for node in self.nodes:
            for operand in dict.fromkeys(node.operands):
                self.nodes[operand].consumers.append(node.index)
        self.blocked = any(site.op.startswith(DOMAIN) for site in program.sites)
        self.counts = Counter(node.kind for node in self.nodes)
        self.outputs = tuple(self.of[name] for name in program.outputs if name in self.of)

    def producers(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the nodes that hold these sites' contents, unknown and constant ones left out."""
        return tuple(self.of[name] for name in names if name in self.of)

    def is_below(self, node: Node) -> bool:
        """Return whether recurrent layers, and nothing else, read a node."""
        kinds = {self.nodes[i].kind for i in node.consumers}
        return kinds == {RECURRENT}

    def _add(self, site: Site) -> None:
        if site.constant:
            self._constants[site.name] = self._weights(site)
            return
        if site.scope in self.whole and site.kind == "op":
            self.beside[site.name] = INSIDE
            return
        if site.alias_of is not None and site.alias_of in self.of:
            self._join(site, self.of[site.alias_of])
            return
        reason = self._beside(site)
        if reason:
            self.beside[site.name] = reason
            if reason != INTEGERS:
                return
        operands = self.producers(self._sources(site))
        if operands and self._is_restored(site, operands):
            self.nodes[operands[0]].weights += self._scales(site)
            self._join(site, operands[0])
            return
        if operands and self._is_transparent(site, operands):
            self._join(site, operands[0])
            return
        self._compute(site, operands)

    def _sources(self, site: Site) -> tuple[str, ...]:
        """Return what a site reads; of a childless module's site, what its last op reads.

        The ops inside it that nothing else reads: its own inputs where it has none.
        """
        label, part = split(site.name)
        if site.kind == "op" and "::" in label and site.name not in self._read:
            self._inner.setdefault((label.split("::")[0], part), []).append(site.name)
        if site.kind != "module":
            return site.inputs
        return tuple(self._inner.pop((label, part), ())) or site.inputs

    def _join(self, site: Site, index: int) -> None:
        self.of[site.name] = index
        if site.name not in self.beside:
            self.nodes[index].sites.append(site.name)

    def _beside(self, site: Site) -> str:
        """Return why a site holds no content of its own, "" for one that does."""
        name = normal(site.op)
        known = [n for n in site.inputs if n in self.of or n in self.beside]
        shapes = [n for n in known if self.beside.get(n) == SHAPE]
        if name in SHAPE_OPS or (known and len(shapes) == len(known)):
            return SHAPE
        if name == "dynamicquantizelinear" and site.attributes.get("divergence.output"):
            return SCALE
        if known and all(self.beside.get(n) == SCALE for n in known):
            return SCALE
        integers = any(self.beside.get(n) == INTEGERS for n in known)
        if name in QUANTISING or (integers and name not in {"dequantizelinear", "mul"}):
            return INTEGERS
        if is_quantised_table(site, self.program.weights):
            return INTEGERS
        return ""

    def _compute(self, site: Site, operands: tuple[int, ...]) -> None:
        op, weights, part = (
            operator(site),
            self._own_weights(site),
            part_of(site, self.program.weights),
        )
        key = (normal(op), operands, weights, frozen(site.attributes), part)
        if operands and normal(op) not in RANDOM and key in self._known:
            self._join(site, self._known[key])  # computed twice: one content
            return
        steps = self._steps(site, len(operands))
        added, first, last = shares(site, weights)
        if added:
            operands = (self._once(site, "add", operands[:1], added), *operands[1:])
        for kind in steps[:-1]:
            operands, first = (self._once(site, kind, operands, first),), ()
        append = self._once if is_sum(site) else self._append
        index = append(site, steps[-1], operands, first + last)
        self.nodes[index].part = state_of_cell(site, part) or self._state(steps[-1], operands)
        self._known[key] = index
        self._join(site, index)
        if site.alias_of is not None and self.beside.get(site.alias_of) == INSIDE:
            self.of[site.alias_of] = index  # others may read it by that name

    def _steps(self, site: Site, operands: int) -> tuple[str, ...]:
        """Return the kinds of the steps that a site takes."""
        if site.scope in self.whole and site.kind == "module":
            return (kind_of(site.op),)
        steps = steps_of(site, operands, self.program.weights)
        return (*steps, "relu") if has_relu(site, self.program.weights) else steps

    def _once(
        self, site: Site, kind: str, operands: tuple[int, ...], weights: tuple[str, ...]
    ) -> int:
        """Return a step that a node takes on the way to any of its outputs."""
        key = kind, operands, weights, frozen(site.attributes, but="divergence.output")
        if key not in self._known:
            self._known[key] = self._append(site, kind, operands, weights)
        return self._known[key]

    def _append(
        self, site: Site, kind: str, operands: tuple[int, ...], weights: tuple[str, ...]
    ) -> int:
        node = Node(
            index=len(self.nodes),
            kind=kind,
            op=site.op,
            sites=[],
            operands=operands,
            weights=weights,
            shape=site.shape,
            order=site.order,
            scope=site.scope,
            nonnegative=self._is_nonnegative(kind, operands),
            attributes=site.attributes,
        )
        self.nodes.append(node)
        return node.index

    def _weights(self, site: Site) -> tuple[str, ...]:
        through = (w for name in site.inputs for w in self._constants.get(name, ()))
        return tuple(dict.fromkeys((*through, *site.weights)))

    def _own_weights(self, site: Site) -> tuple[str, ...]:
        """Return the weights that a site's operator reads.

        Of a childless module's site, without those that the ops listed before it read.
        """
        weights, label = self._weights(site), split(site.name)[0]
        if site.kind == "op":
            self._used.setdefault(label.split("::")[0], set()).update(weights)
        if site.kind != "module":
            return weights
        return tuple(name for name in weights if name not in self._used.get(label, ()))

    def _is_nonnegative(self, kind: str, operands: tuple[int, ...]) -> bool:
        passed = kind in KEEP_SIGN and bool(operands)
        return kind in NONNEGATIVE or (passed and all(self.nodes[i].nonnegative for i in operands))

    def _is_restored(self, site: Site, operands: tuple[int, ...]) -> bool:
        """Return whether a product gives back the scale that integers were taken from."""
        read = [name for name in site.inputs if self.beside.get(name) == INTEGERS]
        return bool(read) and len(operands) == 1 and normal(site.op) == "mul"

    def _scales(self, site: Site) -> tuple[str, ...]:
        """Return the weights' part of the scale that a product gives back."""
        made = (self.sites[name] for name in site.inputs if self.beside.get(name) == SCALE)
        return tuple(name for scale in made for name in scale.weights)

    def _is_transparent(self, site: Site, operands: tuple[int, ...]) -> bool:
        name = normal(operator(site))
        nonnegative = self.nodes[operands[0]].nonnegative
        if not nonnegative and clips(site, self.program.weights):
            return False
        size = self.nodes[operands[0]].size
        if site.shape is None or size is None:
            return name in TRANSPARENT
        if size == math.prod(site.shape) and self._is_neutral(site, name, len(operands)):
            return True
        weights = self.program.weights
        if size != math.prod(site.shape) or moves(site, weights):
            return False
        return name in TRANSPARENT or (name in TRANSPARENT_IF_SAME_SIZE and len(operands) == 1)

    def _is_neutral(self, site: Site, name: str, operands: int) -> bool:
        """Return whether a site multiplies by one or adds nothing: exporters drop it."""
        if operands != 1 or name not in NEUTRAL:
            return False
        weights = [self.program.weights[weight] for weight in self._weights(site)]
        if not weights:
            return bool(site.attributes.get("other") == NEUTRAL[name])
        if len(weights) > 1 or math.prod(weights[0].shape) != 1:
            return False
        return bool((weights[0].load() == NEUTRAL[name]).all())

    def _state(self, kind: str, operands: tuple[int, ...]) -> float:
        """Return which results of a recurrent network's layers are put together, 0 for others."""
        read = [self.nodes[i] for i in operands]
        parts = {node.part if node.kind == RECURRENT else 0.0 for node in read}
        return parts.pop() if kind == "concat" and len(parts) == 1 else 0.0
