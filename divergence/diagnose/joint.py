"""Accused segments that are better explained together: one fault, not several.

A value that was paired with another one makes its own segment look wrong and those that read it.
Where the readers are wrong themselves, the fed run cannot tell; but one cause for the whole
explains more than a cause for each part. A fault in nodes that several segments run through is
seen in each of them, and one change heals all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from divergence.compare.floor import MULTIPLE
from divergence.diagnose.blame import MOST_NODES, nearest, node_names
from divergence.diagnose.distance import distance
from divergence.diagnose.examined import Examined, look
from divergence.diagnose.inquiry import Inquiry
from divergence.diagnose.mispairs import read_by
from divergence.diagnose.suspects import Scene
from divergence.records import Introduced, Match

# Operators that give the same elements in another arrangement.
ARRANGING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
# How many values in a row may be another place's: those of a written-out norm.
ROUNDS = 8
# An unknown cause costs as much as this many known ones.
UNKNOWN = 10


@dataclass(frozen=True, slots=True)
class Joined:
    """The segments that stay accused, and the pairs that were none."""

    examined: tuple[Examined, ...]
    wrong: tuple[Match, ...] = ()


def join(inquiry: Inquiry, examined: Sequence[Examined]) -> Joined:
    """Explain neighbours as one where that takes fewer causes, then segments that share nodes."""
    kept, wrong = [_widened(inquiry, each) for each in examined], list[Match]()
    for group in _groups(inquiry, kept):
        parts = [group, *(list(p) for p in combinations(group, 2) if len(group) > 2)]
        for part in parts:
            merged = _merged(inquiry, part)
            if merged is not None:
                kept = _again(inquiry, [e for e in kept if e not in part], merged.wrong)
                kept += merged.examined
                wrong += merged.wrong
                break
    for source, part in _sources(inquiry, kept):
        at_source = _at_source(inquiry, source, part)
        if at_source:
            kept = [e for e in kept if e not in part] + at_source
    return Joined(tuple(_without_twins(kept)), tuple(wrong))


def _again(
    inquiry: Inquiry, examined: Sequence[Examined], wrong: Sequence[Match]
) -> list[Examined]:
    """Examine segments again that a pair bounded which is none: on that they may be explained."""
    names = {match.reference for match in wrong}
    scene = inquiry.scene
    misled = [
        e
        for e in examined
        if names.intersection(scene.reference_segment(e.accused.match.reference).inputs)
    ]
    found = look(inquiry, scene.without(wrong), [e.accused for e in misled])
    return [*(e for e in examined if e not in misled), *found]


def _widened(inquiry: Inquiry, examined: Examined) -> Examined:
    """Examine an unexplained segment from further up, where what it is fed may hide the fault.

    Slices of one split that its own nodes make: fed as they should be, they hide that the split
    gives them in another order. A value in another arrangement: what is missing may belong
    before that. What the reference does not read there: it is right for another place, whose
    values it has because something is missing before it.
    """
    if examined.explained:
        return examined
    for wider in (_without_twins_of(inquiry.scene, examined), _alike(inquiry.scene, examined)):
        if wider is not inquiry.scene:
            (again,) = look(inquiry, wider, [examined.accused])
            if again.explained:
                return _placed(wider, again)
    return examined


def _without_twins_of(scene: Scene, examined: Examined) -> Scene:
    """Return the scene without what a segment reads of its own nodes, or in an arrangement."""
    end = examined.accused.match.candidate
    own = scene.candidate_segment(end)
    inner = set(node_names(own.sites))
    twins = [
        match
        for match in scene.matches
        if match.candidate in own.inputs
        and (
            scene.candidate_sites[match.candidate].op in ARRANGING
            or inner.intersection(node_names(scene.candidate_segment(match.candidate).sites))
        )
    ]
    return scene.without(twins) if twins else scene


def _alike(scene: Scene, examined: Examined) -> Scene:
    """Return the scene in which a segment reads what the reference's reads, as far as it goes."""
    match = examined.accused.match
    wanted = scene.reference_segment(match.reference).inputs
    for _ in range(ROUNDS):
        read = scene.candidate_segment(match.candidate).inputs
        foreign = [m for m in scene.matches if m.candidate in read and m.reference not in wanted]
        if not foreign:
            break
        scene = scene.without(foreign)
    return scene


def _placed(scene: Scene, examined: Examined, before: Sequence[str] = ()) -> Examined:
    """Return a segment that was examined from further up with its nodes from the change on.

    before: nodes that may be to blame besides.
    """
    accused = examined.accused
    edits = [entry.hypothesis.edit for entry in examined.examination.explained]
    sites = scene.candidate_segment(accused.match.candidate).sites
    places = [s.order for s in sites for edit in edits if s.name in edit.values]
    behind = node_names([site for site in sites if places and site.order >= min(places)])
    nodes = nearest(scene, accused.match.candidate, (*before, *behind, *accused.nodes), edits)
    return replace(examined, accused=replace(accused, nodes=tuple(dict.fromkeys(nodes))))


def _groups(inquiry: Inquiry, examined: Sequence[Examined]) -> Iterator[list[Examined]]:
    """Yield neighbours: segments of which one reads what another makes."""
    reads = {
        e.accused.match.candidate: set(
            inquiry.scene.candidate_segment(e.accused.match.candidate).inputs
        )
        for e in examined
    }
    left = list(examined)
    while left:
        group = [left.pop(0)]
        for member in group:  # grows while it is walked
            name = member.accused.match.candidate
            near = [
                e
                for e in left
                if e.accused.match.candidate in reads[name]
                or name in reads[e.accused.match.candidate]
            ]
            group += near
            left = [e for e in left if e not in near]
        if len(group) > 1:
            yield group


def _sources(
    inquiry: Inquiry, examined: Sequence[Examined]
) -> Iterator[tuple[Match, list[Examined]]]:
    """Yield each right value that accused segments alone read, several: it may lack something."""
    accused, scene = {e.accused.match.candidate: e for e in examined}, inquiry.scene
    behind = read_by(scene)
    for match in scene.matches:
        reading = behind.get(match.candidate, set())
        if match.candidate in scene.candidate.outputs or match.candidate in accused:
            continue
        if len(reading) > 1 and reading <= accused.keys():
            yield match, [accused[name] for name in sorted(reading)]


def _at_source(inquiry: Inquiry, source: Match, part: Sequence[Examined]) -> list[Examined]:
    """Examine segments from before a value that all of them read; none, where that is no better.

    The value is right for what it was paired with, and what is missing behind it is missing in
    all that read it.
    """
    scene = inquiry.scene.without([source])
    found = look(inquiry, scene, [e.accused for e in part])
    healing = [
        e
        for e, old in zip(found, part, strict=True)
        if e.explained and _cost([e]) <= _cost([old])
        if all(_heals(e, other) for other in found if other is not e)
    ]
    own = node_names(inquiry.scene.candidate_segment(source.candidate).sites)
    return [_placed(scene, e, own) for e in healing[:1]]


def _merged(inquiry: Inquiry, part: Sequence[Examined]) -> Joined | None:
    """Examine neighbours without the boundaries between them; None where that is no better."""
    inner = [e for e in part if _only_read_by(inquiry, e, part)]
    ends = [e for e in part if e not in inner]
    if not inner or not ends:
        return None
    wrong = tuple(e.accused.match for e in inner)
    scene = inquiry.scene.without(wrong)
    nodes = {name for e in part for name in e.accused.nodes}
    accused = []
    for end in ends:
        names = node_names(scene.candidate_segment(end.accused.match.candidate).sites)
        accused.append(replace(end.accused, nodes=tuple(n for n in names if n in nodes)))
    found = [_measured(e) for e in look(inquiry, scene, accused)]
    found = [e for e in found if not e.clean]
    small = all(e.explained or len(e.accused.nodes) <= MOST_NODES for e in found)
    return Joined(tuple(found), wrong) if small and _cost(found) < _cost(part) else None


def _only_read_by(inquiry: Inquiry, examined: Examined, part: Sequence[Examined]) -> bool:
    """Whether a value is read, and only by segments of this part: what is right shows it right."""
    name = examined.accused.match.candidate
    scene = inquiry.scene
    readers = {
        m.candidate for m in scene.matches if name in scene.candidate_segment(m.candidate).inputs
    }
    others = {e.accused.match.candidate for e in part if e is not examined}
    return bool(readers) and readers <= others and name not in scene.candidate.outputs


def _measured(examined: Examined) -> Examined:
    """Return the segment with what it adds between its new boundaries."""
    place = examined.suspect
    if place is None:
        return examined
    multiple = MULTIPLE * place.bound.multiple(place.expected, place.produced)
    old = examined.accused.introduced
    error = distance(place.expected, place.produced)
    added = Introduced(error, multiple, old.floor, old.floor_rmse)
    return replace(examined, accused=replace(examined.accused, introduced=added))


def _cost(found: Sequence[Examined]) -> int:
    return sum(len(e.examination.explained) or UNKNOWN for e in found)


def _without_twins(found: Sequence[Examined]) -> Iterator[Examined]:
    """Yield those that share nodes once: of the explained the one whose change heals the others."""
    left = sorted(found, key=_rank)
    while left:
        first, twins = max(((e, _twins(e, left)) for e in left), key=_worth)
        left = [e for e in left if e is not first and e not in twins]
        shared = set(first.accused.nodes).intersection(*(e.accused.nodes for e in twins))
        nodes = tuple(n for n in first.accused.nodes if n in shared) or first.accused.nodes
        yield replace(first, accused=replace(first.accused, nodes=nodes))


def _rank(examined: Examined) -> tuple[bool, float]:
    return not examined.explained, -examined.accused.introduced.multiple


def _twins(first: Examined, left: Sequence[Examined]) -> list[Examined]:
    return [e for e in left if e is not first and _is_twin(first, e)]


def _worth(entry: tuple[Examined, Sequence[Examined]]) -> tuple[bool, int]:
    """Rank the explained before the others, then those whose change heals more."""
    first, twins = entry
    return first.explained, len(twins)


def _is_twin(first: Examined, other: Examined) -> bool:
    """Whether the change that heals one segment heals the other; of the unknown, shared nodes."""
    shared = bool(set(first.accused.nodes) & set(other.accused.nodes))
    if not first.explained or other.suspect is None:
        return shared and not other.explained
    made = {output for node in other.suspect.trial.nodes for output in node.output}
    changed = {v for e in first.examination.explained for v in e.hypothesis.edit.values}
    return (shared or changed <= made) and _heals(first, other)


def _heals(first: Examined, other: Examined) -> bool:
    """Whether the change that heals one segment heals the other."""
    if other.suspect is None:
        return False
    edits = [entry.hypothesis.edit for entry in first.examination.explained]
    result = other.suspect.trial.run(edits)
    return result is not None and other.suspect.bound.multiple(other.suspect.expected, result) <= 1
