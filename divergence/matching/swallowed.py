"""Steps that the candidate folded into the one before them, as values tell.

A product with a constant that goes into a convolution's kernel leaves no trace but the kernel's
size, which a fault may change as well. What the convolution gives is then exactly what the
product gives on the other side, and no fault makes it so.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from divergence.matching.fingerprints import distances
from divergence.matching.graph import Graph
from divergence.matching.sides import Prints
from divergence.matching.values import BY_VALUES
from divergence.records import Match, Pairing, Unpaired

_SAME: Final = 1e-3  # relative distance of one value
_OTHER: Final = 0.05  # that of two
_SURE: Final = 0.95
_REASON: Final = "a step that the other side makes inside the next one"


def swallowed(
    reference: Graph, pairing: Pairing, prints: Prints, fixed: Collection[Match]
) -> Pairing:
    """Return the pairing with steps whose partner holds what their reader gives left to that."""
    paired = {match.reference for match in pairing.matches}
    moved: dict[str, tuple[str, Match]] = {}
    for match in pairing.matches:
        if match in fixed or match.reference not in reference.of:
            continue
        if not _far(match.reference, match, prints) > _OTHER:
            continue
        readers = (name for name in _readers(reference, match.reference) if name not in paired)
        later = next((n for n in readers if _far(n, match, prints) < _SAME), None)
        if later is not None:
            moved[match.reference] = later, match
    if not moved:
        return pairing
    added = {
        later: replace(m, reference=later, paired_by=BY_VALUES, confidence=_SURE)
        for later, m in moved.values()
    }
    kept = [match for match in pairing.matches if match.reference not in moved]
    order = {site.name: site.order for site in reference.program.sites}
    matches = sorted((*kept, *added.values()), key=lambda match: order[match.reference])
    alone = [u for u in pairing.unpaired if u.side != "reference" or u.site not in added]
    alone += [Unpaired("reference", name, _REASON) for name in moved]
    return replace(pairing, matches=tuple(matches), unpaired=tuple(alone))


def _far(site: str, match: Match, prints: Prints) -> float:
    """Return how far a site's value is from a match's candidate; NaN where that is unknown."""
    ours, theirs = prints[0].get(site), prints[1].get(match.candidate)
    apart = ours is not None and theirs is not None and ours.axes == theirs.axes
    return float(distances([ours], [theirs])[0, 0]) if ours and theirs and apart else math.nan


def _readers(graph: Graph, site: str) -> Iterator[str]:
    """Yield the sites that scale or shift a value, all of what they read that is no constant."""
    node = graph.nodes[graph.of[site]]
    if len(node.consumers) == 1:
        reader = graph.nodes[node.consumers[0]]
        if reader.kind in {"mul", "div", "add", "sub"} and reader.operands == (node.index,):
            yield from reader.sites[:1]
