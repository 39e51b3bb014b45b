"""Where a size goes wrong: the first value of another shape ends the segment that is to blame.

A value whose shape is not the reference's cannot be subtracted from it, so its pair bounds no
segment, and one window with other borders makes one segment of all that follows. The first such
pair inside a segment that is wrong becomes a boundary: fed the reference's value, what follows
has the right shapes again, and where that makes it right, the shape went wrong at this pair.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from divergence.diagnose.mispairs import Remeasure, Settled, relieved
from divergence.diagnose.segments import live
from divergence.diagnose.suspects import Scene
from divergence.errors import CaptureError, LoadError
from divergence.records import Introduced, Match, Measured, Program, Site

# Sizes may go wrong at several places, one after the other.
ROUNDS = 3


def misshapen(
    measured: Sequence[Measured], values: Collection[str], reference: Mapping[str, Site]
) -> tuple[Match, ...]:
    """Return the matches of numbers that could not be subtracted, one for each of `values`.

    reference: its sites by name; one that is an alias comes after what it is one of.
    """
    found: dict[str, Match] = {}
    ordered = sorted(measured, key=lambda pair: reference[pair.match.reference].alias_of or "")
    for pair in ordered:
        numbers = not {"object", "str"} & set(pair.dtypes)
        if pair.metrics.incomparable and numbers and pair.match.candidate in values:
            found.setdefault(pair.match.candidate, pair.match)
    return tuple(found.values())


def ended(
    settled: Settled, misfits: Sequence[Match], remeasure: Remeasure, limit: float
) -> Settled:
    """Let segments that are wrong end where the shape first is.

    misfits: matches whose values could not be subtracted; they bound no segment of `settled`.
    """
    if not misfits:
        return settled
    for _ in range(ROUNDS):
        found = next(_improved(settled, misfits, remeasure, limit), None)
        if found is None:
            break
        settled = found
    return settled


def _improved(
    settled: Settled, misfits: Sequence[Match], remeasure: Remeasure, limit: float
) -> Iterator[Settled]:
    """Yield what is known with one boundary more, for each that makes what follows it right."""
    for end, match in _ends(settled, misfits, limit):
        scene = _with(settled.scene, {match, end}, match, misfits)
        try:
            again = remeasure(scene)
        except (CaptureError, LoadError):  # another value of the reference than what it stands for
            continue
        before, after = settled.introduced.get(end), again.get(end)
        if match in again and (end == match or _is_right(before, after, limit)):
            yield replace(settled, scene=scene, introduced=again)


def _is_right(before: Introduced | None, after: Introduced | None, limit: float) -> bool:
    if after is None or after.multiple <= limit:
        return after is not None
    return relieved(before, after)


def _ends(
    settled: Settled, misfits: Sequence[Match], limit: float
) -> Iterator[tuple[Match, Match]]:
    """Yield the ends that are wrong, in order, with the first misfit of each one's segment."""
    scene = settled.scene
    sites, used = scene.candidate_sites, live(scene.candidate)
    wrong = [
        match
        for match, added in settled.introduced.items()
        if added.multiple > limit and match.candidate in used and match not in scene.misshapen
    ]
    wrong += [m for m in misfits if m.candidate in scene.candidate.outputs]
    for end in sorted(wrong, key=lambda match: sites[match.candidate].order):
        inside = {site.name for site in scene.candidate_segment(end.candidate).sites}
        options = [m for m in misfits if m.candidate in inside and m not in scene.misshapen]
        if options:
            yield end, min(options, key=lambda match: sites[match.candidate].order)


def _with(scene: Scene, more: set[Match], match: Match, misfits: Sequence[Match]) -> Scene:
    """Return the scene with more boundaries, `match` misshapen; misfits fit any shape there."""
    order = scene.reference_sites
    matches = sorted({*scene.matches, *more}, key=lambda m: order[m.reference].order)
    return replace(
        scene,
        candidate=_unshaped(scene, misfits),
        matches=tuple(matches),
        misshapen=scene.misshapen | {match},
    )


def _unshaped(scene: Scene, misfits: Sequence[Match]) -> Program:
    """Return the candidate without the shapes that its file has for values of other sizes."""
    pairs = {match.candidate: match.reference for match in (*scene.matches, *misfits)}
    ours = scene.reference_sites

    def fitted(site: Site) -> Site:
        partner = ours.get(pairs.get(site.name, ""))
        if partner is None or partner.shape is None or site.shape is None:
            return site
        same = math.prod(partner.shape) == math.prod(site.shape)
        return site if same else replace(site, shape=None)

    return replace(scene.candidate, sites=tuple(map(fitted, scene.candidate.sites)))
