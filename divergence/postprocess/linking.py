"""Which output of one side goes with which of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from divergence.records import Array, Match, Program


def link_outputs(
    reference: Program,
    candidate: Program,
    matches: Sequence[Match],
    ours: Mapping[int, Array],
    theirs: Mapping[int, Array],
) -> dict[int, int]:
    """Return each of the reference's outputs with the candidate's: as matched, by name, by shape.

    ours, theirs: the outputs that hold numbers, by place. What is left goes in order.
    """
    links = _matched(reference, candidate, matches)
    links |= {
        place: candidate.output_names.index(name)
        for place, name in enumerate(reference.output_names)
        if place not in links and name in candidate.output_names
    }
    for place, value in ours.items():
        alike = (j for j, v in theirs.items() if j not in links.values() and v.shape == value.shape)
        if place not in links and (other := next(alike, None)) is not None:
            links[place] = other
    left = [place for place in ours if place not in links]
    free = [place for place in theirs if place not in links.values()]
    if len(left) == len(free):
        links |= dict(zip(left, free, strict=True))
    return {i: j for i, j in sorted(links.items()) if i in ours and j in theirs}


def _matched(reference: Program, candidate: Program, matches: Sequence[Match]) -> dict[int, int]:
    """Return places of outputs whose sites are a match."""
    places = {site: place for place, site in reversed(list(enumerate(candidate.outputs)))}
    partner = {match.reference: match.candidate for match in matches}
    found: dict[int, int] = {}
    for place, site in enumerate(reference.outputs):
        other = places.get(partner.get(site, ""))
        if other is not None and other not in found.values():
            found[place] = other
    return found
