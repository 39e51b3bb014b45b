"""Behind the last layer: how the final outputs differ where no segment is to blame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from divergence.compare.observe import Observed
from divergence.diagnose.diagnosis import Diagnosis
from divergence.options import Options
from divergence.postprocess.explain import Explanation, explain
from divergence.postprocess.residual import SAME, residual
from divergence.records import Array, Finding, Match, Pairing, Program


@dataclass(frozen=True, slots=True)
class Scene:
    """What a trace knows when it comes to the outputs."""

    reference: Program
    candidate: Program
    pairing: Pairing
    observed: Observed
    diagnosis: Diagnosis
    options: Options


@dataclass(frozen=True, slots=True)
class Exit:
    """What differs behind the model.

    differs: the outputs are not the same, and `findings` say how.
    """

    differs: bool = False
    findings: tuple[Finding, ...] = ()


def look_at_outputs(scene: Scene) -> Exit:
    """Explain outputs that differ though no segment that explains it is to blame."""
    if not _may_explain(scene):
        return Exit()
    told = [found for found in _explanations(scene) if found.findings]
    return Exit(bool(told), tuple(finding for one in told for finding in one.findings))


def _may_explain(scene: Scene) -> bool:
    stopped = scene.observed.interrupted or scene.diagnosis.interrupted
    blamed = any(finding.culprit is not None for finding in scene.diagnosis.findings)
    return not (stopped or blamed or scene.pairing.unlike) and scene.options.diagnose


def _explanations(scene: Scene) -> Iterator[Explanation]:
    for ours, theirs in output_pairs(scene):
        if not _agree(ours, theirs, scene.options):
            yield explain(ours, theirs)


def _agree(ours: Array, theirs: Array, options: Options) -> bool:
    """Whether two outputs agree well enough to need no explanation; quick, unlike `explain`."""
    if ours.shape != theirs.shape:
        return False
    if options.rtol is not None and options.atol is not None:
        return bool(np.allclose(theirs, ours, options.rtol, options.atol, equal_nan=True))
    return residual(ours, theirs) <= SAME


def output_pairs(scene: Scene) -> list[tuple[Array, Array]]:
    """Return the numbers of outputs that go together: as matched, by name, else in order."""
    ours = _numeric(scene.observed.reference_outputs)
    theirs = _numeric(scene.observed.candidate_outputs)
    links = _matched(scene.reference, scene.candidate, scene.pairing.matches)
    links |= {
        place: scene.candidate.output_names.index(name)
        for place, name in enumerate(scene.reference.output_names)
        if place not in links and name in scene.candidate.output_names
    }
    left = [place for place in ours if place not in links]
    free = [place for place in theirs if place not in links.values()]
    if len(left) == len(free):
        links |= dict(zip(left, free, strict=True))
    return [(ours[i], theirs[j]) for i, j in sorted(links.items()) if i in ours and j in theirs]


def _numeric(outputs: tuple[Array, ...] | None) -> dict[int, Array]:
    return {n: value for n, value in enumerate(outputs or ()) if value.dtype.kind in "biuf"}


def _matched(reference: Program, candidate: Program, matches: tuple[Match, ...]) -> dict[int, int]:
    """Return places of outputs whose sites are a match."""
    places = {site: place for place, site in reversed(list(enumerate(candidate.outputs)))}
    partner = {match.reference: match.candidate for match in matches}
    found: dict[int, int] = {}
    for place, site in enumerate(reference.outputs):
        other = places.get(partner.get(site, ""))
        if other is not None and other not in found.values():
            found[place] = other
    return found
