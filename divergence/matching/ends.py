"""Where both sides meet: their inputs and outputs, by name, else by shape and order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from divergence.matching.graph import Graph
from divergence.matching.hints import Hint
from divergence.matching.sides import Sides
from divergence.records import Match

_NAMED, _ORDERED = 8.0, 5.0
# How sure outputs are that nothing but their name, or their order, pairs.
_BY_NAME, _BY_ORDER = 0.98, 0.95


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
    told = _told_by_size(sides, left, right)
    used: set[int] = set()
    for _, i in left:
        size = sides.reference.nodes[i].size
        fit = [j for _, j in right if j not in used and sides.candidate.nodes[j].size == size]
        if fit:
            used.add(fit[0])
            strength = _ORDERED if len(fit) == 1 or len(left) == len(right) else 2.0
            yield Hint(i, fit[0], _NAMED if told else strength, f"{what} order")


def _told_by_size(
    sides: Sides, ours: Sequence[tuple[str, int]], theirs: Sequence[tuple[str, int]]
) -> bool:
    """Return whether several values have a size each that tells them apart on both sides."""
    first = [sides.reference.nodes[i].size for _, i in ours]
    second = [sides.candidate.nodes[j].size for _, j in theirs]
    apart = 1 < len(set(first)) == len(first) == len(second)
    return apart and None not in first and set(first) == set(second)


def left(sides: Sides, matches: Collection[Match]) -> Iterator[Match]:
    """Yield pairs of the outputs that nothing else paired: an output is one whatever makes it."""
    ours, theirs = sides.reference.program, sides.candidate.program
    paired = {m.reference for m in matches}, {m.candidate for m in matches}
    open_ours, open_theirs = (
        [
            (name, program.outputs[k])
            for k, name in enumerate(program.output_names)
            if program.outputs[k] not in taken
        ]
        for program, taken in zip((ours, theirs), paired, strict=True)
    )
    named = dict(open_theirs)
    for name, site in open_ours:
        if name in named:
            yield Match(site, named[name], "output name", _BY_NAME)
    rest_ours = [site for name, site in open_ours if name not in named]
    names = {name for name, _ in open_ours}
    rest_theirs = [site for name, site in open_theirs if name not in names]
    if len(rest_ours) == len(rest_theirs):
        yield from (
            Match(a, b, "output order", _BY_ORDER)
            for a, b in zip(rest_ours, rest_theirs, strict=True)
            if sides.reference.sites[a].shape == sides.candidate.sites[b].shape
        )
