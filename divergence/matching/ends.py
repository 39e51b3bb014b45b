"""Where both sides meet: their inputs and outputs, by name, else by shape and order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.sides import Sides

_NAMED, _ORDERED = 8.0, 5.0


def hints(sides: Sides) -> Iterator[Hint]:
    """Yield hints for the inputs and the outputs."""
    ours, theirs = _inputs(sides.reference), _inputs(sides.candidate)
    yield from _meet(sides, ours, theirs, "input")
    left, right = sides.reference, sides.candidate
    yield from _meet(sides, _outputs(left), _outputs(right), "output")


def _inputs(graph: Graph) -> list[tuple[str, int]]:
    sites = [s for s in graph.program.sites if s.kind == "input" and s.name in graph.of]
    return [(site.name, graph.of[site.name]) for site in sites]


def _outputs(graph: Graph) -> list[tuple[str, int]]:
    named = zip(graph.program.output_names, graph.program.outputs, strict=False)
    return [(name, graph.of[site]) for name, site in named if site in graph.of]


def _meet(
    sides: Sides, ours: Sequence[tuple[str, int]], theirs: Sequence[tuple[str, int]], what: str
) -> Iterator[Hint]:
    known = dict(theirs)
    left = [(name, i) for name, i in ours if name not in known]
    names = {name for name, _ in ours}
    right = [(name, j) for name, j in theirs if name not in names]
    yield from (Hint(i, known[n], _NAMED, f"{what} name") for n, i in ours if n in known)
    used: set[int] = set()
    for _, i in left:
        size = sides.reference.nodes[i].size
        fit = [j for _, j in right if j not in used and sides.candidate.nodes[j].size == size]
        if fit:
            used.add(fit[0])
            strength = _ORDERED if len(fit) == 1 or len(left) == len(right) else 2.0
            yield Hint(i, fit[0], strength, f"{what} order")
