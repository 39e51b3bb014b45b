"""Which segments add an error beyond the floor, and which pairs were no pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from divergence.diagnose.segments import Segment
from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match, Site


@dataclass(frozen=True, slots=True)
class Accused:
    """A segment beyond the floor: the match at its end, what it adds, and its nodes in order."""

    match: Match
    introduced: Introduced
    nodes: tuple[str, ...]


def accuse(
    scene: Scene, introduced: Mapping[Match, Introduced], limit: float
) -> tuple[Accused, ...]:
    """Return the segments that add more than `limit` times the floor, the worst first.

    One candidate value is accused once, however many reference sites hold the same value. Of
    segments that share nodes the shared ones stand first to blame, so they are merged into the
    smallest set that explains both.
    """
    flagged: dict[str, Accused] = {}
    for match, added in introduced.items():
        if added.multiple <= limit or match.candidate in flagged:
            continue
        segment = scene.candidate_segment(match.candidate)
        flagged[match.candidate] = Accused(match, added, node_names(segment))
    clean = _clean_nodes(scene, introduced, limit)
    found = [_narrowed(accused, clean) for accused in flagged.values()]
    found.sort(key=lambda accused: -accused.introduced.multiple)
    return tuple(_without_twins(found))


def node_names(segment: Segment) -> tuple[str, ...]:
    """Return the names of a segment's nodes in order, each once, constants left out."""
    return tuple(dict.fromkeys(s.node for s in segment.sites if _counts(s)))


def _counts(site: Site) -> bool:
    return site.kind == "node" and not site.constant and bool(site.node)


def _clean_nodes(
    scene: Scene, introduced: Mapping[Match, Introduced], limit: float
) -> frozenset[str]:
    """Nodes of segments that add nothing: what a culprit shares with them is less to blame."""
    clean: set[str] = set()
    for match, added in introduced.items():
        if added.multiple <= limit:
            clean.update(node_names(scene.candidate_segment(match.candidate)))
    return frozenset(clean)


def _narrowed(accused: Accused, clean: frozenset[str]) -> Accused:
    """Leave out nodes that a clean segment runs through as well, unless none would be left."""
    rest = tuple(node for node in accused.nodes if node not in clean)
    return replace(accused, nodes=rest) if rest else accused


def _without_twins(found: Sequence[Accused]) -> list[Accused]:
    """Keep the worst of those that accuse one and the same set of nodes."""
    kept: list[Accused] = []
    for accused in found:
        twin = next((k for k in kept if set(k.nodes) & set(accused.nodes)), None)
        if twin is None:
            kept.append(accused)
            continue
        shared = tuple(node for node in twin.nodes if node in set(accused.nodes))
        kept[kept.index(twin)] = replace(twin, nodes=shared)
    return kept
