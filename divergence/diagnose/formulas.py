"""Between which values of a segment the formula of a function may stand, and what is left of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from divergence.diagnose.suspect import Suspect

if TYPE_CHECKING:
    from onnx import NodeProto

# Steps on either side of its node that an activation's formula may take: x (erf(x / c) + 1) / 2.
STEPS = 3

Span = tuple[str, str]

# What functions of one value are put together with.
PARTS = frozenset({"Add", "Div", "Mul", "Pow", "Reciprocal", "Sqrt", "Sub"})


def spans(suspect: Suspect, node: NodeProto) -> Iterator[Span]:
    """Yield (source, target) of the formulas that a node may be part of.

    The node itself first, then what leads to it and what is made of it, a few steps far.
    """
    nodes = suspect.region.nodes
    makers = {output: n for n in nodes for output in n.output}
    data = {*makers, *suspect.feeds}
    before, behind = [name for name in node.input if name in data], [node.output[0]]
    sources, targets = list(before), list(behind)
    for _ in range(STEPS):
        before = [i for v in before if v in makers for i in makers[v].input if i in data]
        behind = [n.output[0] for n in nodes if set(behind) & set(n.input)]
        sources += before
        targets += behind
    yield from ((source, target) for target in targets for source in sources)


def is_rest(left: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether operators hold the functions of a formula, put together by fewer of its others."""
    if PARTS.symmetric_difference(wanted) - PARTS != PARTS.symmetric_difference(left) - PARTS:
        return False
    return sum(op in PARTS for op in left) < sum(op in PARTS for op in wanted)


def steps_between(suspect: Suspect, span: Span) -> list[str]:
    """Return the operators that lead from a span's source to its target, in order."""
    source, target = span
    makers = {output: node for node in suspect.region.nodes for output in node.output}
    behind, before, stack = {source}, set[str](), [target]
    while stack:
        name = stack.pop()
        if name in makers and name not in before and name != source:
            before.add(name)
            stack.extend(makers[name].input)
    found = []
    for node in suspect.region.nodes:
        if behind.intersection(node.input) and before.intersection(node.output):
            behind.update(node.output)
            found.append(node.op_type)
    return [op for op in found if op != "Identity"]
