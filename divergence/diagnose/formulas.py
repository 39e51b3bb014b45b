"""Between which values of a segment the formula of a function may stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from divergence.diagnose.suspect import Suspect

if TYPE_CHECKING:
    from onnx import NodeProto

# Steps on either side of its node that an activation's formula may take: x (erf(x / c) + 1) / 2.
STEPS = 3

Span = tuple[str, str]


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
