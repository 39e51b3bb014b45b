"""Functions of one value that the reference applies, and a segment does not or not wholly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING

from divergence.diagnose.builder import Place, insert, rebuild
from divergence.diagnose.formulas import PARTS, Span, is_rest, spans, steps_between
from divergence.diagnose.inner import fixed_values
from divergence.diagnose.lowering import (
    LOWERINGS,
    formula_of,
    function_of,
    lowered,
    makers,
    settings_of,
)
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.matching.kinds import agreement, kind_of
from divergence.matching.steps import operator
from divergence.records import Evidence, Site

if TYPE_CHECKING:
    from onnx import NodeProto

# Where what the reference computes at a site may be missing.
Where = Callable[[Suspect, Site], Iterator[Place]]


def places(suspect: Suspect) -> Iterator[Place]:
    """Where something may be missing: behind each value, the last first, or before an operand."""
    for node in reversed(suspect.region.nodes):
        yield Place(node.output[0])
    for node in suspect.region.nodes:
        for operand, name in enumerate(node.input):
            if name in suspect.feeds:
                yield Place(node.output[0], operand)


def readers(suspect: Suspect, source: Site) -> Iterator[Place]:
    """Where a boundary is read that the reference applies something to first."""
    read = {suspect.region.partners.get(name) for name in source.inputs}
    for node in suspect.region.nodes:
        for operand, name in enumerate(node.input):
            if name in read:
                yield Place(node.output[0], operand)


def likeliest(suspect: Suspect, source: Site) -> Iterator[Place]:
    """Where something may be missing: behind what makes the like of the site's operand first."""
    sites = suspect.region.reference.sites
    made = [kind_of(operator(site)) for site in sites if site.name in source.inputs]
    kinds = {output: kind_of(n.op_type) for n in suspect.region.nodes for output in n.output}

    def fit(place: Place) -> float:
        own = kinds[place.value] if place.operand is None else ""
        return max((agreement(kind, own) for kind in made), default=0.0)

    yield from sorted(places(suspect), key=fit, reverse=True)


def functions(suspect: Suspect, where: Where, *, folded: bool = False) -> Iterator[Hypothesis]:
    """A function of one value that the reference applies more often than nodes do.

    folded: those alone that make what no input changes, and that most files have folded.
    """
    sites = [s for s in suspect.region.reference.sites if not s.alias_of]
    names = [function_of(site) for site in sites]
    inner = _folded(suspect)
    for site, op in zip(sites, names, strict=True):
        present = len(suspect.region.node(*makers(op)))
        if op not in LOWERINGS or names.count(op) <= present or folded != (site.name in inner):
            continue
        for place in where(suspect, site):
            settings = settings_of(site, suspect.region.reference_weights)
            action = f"apply {op} {place} as the reference does"
            yield Hypothesis(
                edit=insert(place, lowered(op, settings), suspect.dtype, action),
                explanation=f"{op} is missing {place}; the reference has it at {site.name}",
                evidence=(Evidence(f"{op} in the segment", names.count(op), present),),
                remedy=f"Export {site.scope or 'the model'} again with {op} in place.",
                parameters={"op": op},
            )
        yield from _remains(suspect, site, op)


def _folded(suspect: Suspect) -> set[str]:
    """Return the reference's sites that no input changes, and that nothing else reads.

    The steps by which a table of positions is made: a file has the table alone.
    """
    sites, moving = suspect.region.reference.sites, suspect.region.moving
    read = fixed_values(sites, moving)
    for site in reversed(sites):
        if site.name in read and site.alias_of:
            read.add(site.alias_of)
    return {site.name for site in sites}.difference(moving, read)


def _remains(suspect: Suspect, site: Site, op: str) -> Iterator[Hypothesis]:
    """The reference's function in place of what is left of its formula: x * x of a SiLU."""
    left = {span: node for node in suspect.region.node(*PARTS) for span in spans(suspect, node)}
    for span, node in left.items():
        yield _whole(suspect, site, op, span, node)


def rests(suspect: Suspect) -> Iterator[Hypothesis]:
    """The reference's function in place of its own formula without one of its operators."""
    between = cache(partial(steps_between, suspect))  # for all sites: it walks the whole segment
    for site in suspect.region.reference.sites:
        op = function_of(site)
        if op not in LOWERINGS or site.alias_of:
            continue
        parts = formula_of(site, suspect.region.reference_weights)
        for node in suspect.region.node(*makers(op), *parts):
            for span in spans(suspect, node):
                if is_rest(between(span), parts):
                    yield _whole(suspect, site, op, span, node)


def _whole(suspect: Suspect, site: Site, op: str, span: Span, left: NodeProto) -> Hypothesis:
    source, target = span
    settings = settings_of(site, suspect.region.reference_weights)
    action = f"compute {target} by {op} of {source} as the reference does"
    make, dtype = lowered(op, settings), suspect.dtype
    return Hypothesis(
        edit=rebuild(target, source, make, dtype, action),
        explanation=f"{op} is not whole at {target}, {left.op_type} is left of it; "
        f"the reference has it at {site.name}",
        evidence=(Evidence(f"what {target} is made by", op, left.op_type),),
        remedy=f"Export {site.scope or 'the model'} again with {op} in place.",
        parameters={"op": op},
    )
