"""Behind the last layer: how the final outputs and what is made of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from divergence.compare.observe import Observed, compare
from divergence.diagnose.diagnosis import Diagnosis
from divergence.diagnose.entrance import Entrance
from divergence.load.case import Case
from divergence.options import Options
from divergence.postprocess.apply import postprocess
from divergence.postprocess.deployed import deployed
from divergence.postprocess.explain import Explanation, explain
from divergence.postprocess.fed import proved
from divergence.postprocess.linking import link_outputs
from divergence.postprocess.processings import Processings
from divergence.postprocess.residual import SAME, residual
from divergence.postprocess.separate import separated
from divergence.postprocess.state import Outputs
from divergence.postprocess.views import views
from divergence.records import Array, Detections, Finding, Match, Measured, Pairing, Program


@dataclass(frozen=True, slots=True)
class Scene:
    """What a trace knows when it comes to the outputs."""

    case: Case = field(repr=False)
    reference: Program
    candidate: Program
    pairing: Pairing
    observed: Observed
    diagnosis: Diagnosis
    options: Options


@dataclass(frozen=True, slots=True)
class Exit:
    """What differs behind the model.

    differs: the outputs, or what is made of them, are not the same; `findings` say how, and
    `sentence` where nothing explains it. measured: the steps of the post-processing.
    detections: how far those of both sides agree, each as it is deployed; None without any.
    """

    differs: bool = False
    findings: tuple[Finding, ...] = ()
    measured: tuple[Measured, ...] = ()
    detections: Detections | None = None
    sentence: str = ""


def look_at_outputs(scene: Scene, behind: Processings) -> Exit:
    """Explain outputs that differ though no segment is to blame, and compare the answers."""
    observed = scene.observed
    stopped = observed.interrupted or scene.diagnosis.interrupted
    if stopped or scene.pairing.unlike or not observed.reference_outputs:
        return Exit()
    raw = _explained(scene)
    if not behind.any:
        return _exit(raw)
    ours, theirs = views(scene.case, *_named(scene))
    first, second = _steps(ours, behind, "reference"), _steps(theirs, behind, "candidate")
    separate = separated(behind, ours, theirs, raw_differs=any(e.findings for e in raw))
    return Exit(
        differs=separate.differs,
        findings=separate.findings,
        measured=tuple(
            compare(Match(name, name, "post-processing", 1.0), first[name], second[name], None)
            for name in first
            if name in second
        ),
        detections=deployed(scene.case, behind, ours, theirs, _names(scene)),
        sentence=separate.sentence,
    )


def prove_inputs(scene: Scene, entrance: Entrance) -> Entrance:
    """Return what differs before the model, with what it does to the outputs where that is told."""
    if scene.observed.interrupted or scene.pairing.unlike or not scene.observed.reference_outputs:
        return entrance
    ours, theirs = _outputs(scene)
    return proved(entrance, scene.case, _links(scene), ours, theirs)


def _exit(explained: list[Explanation]) -> Exit:
    findings = tuple(finding for one in explained for finding in one.findings)
    return Exit(bool(findings), findings)


def _explained(scene: Scene) -> list[Explanation]:
    """Explain the outputs that differ where no finding blames a segment or an input."""
    blamed = any(finding.culprit is not None for finding in scene.diagnosis.findings)
    if blamed or scene.case.apart or not scene.options.diagnose:
        return []
    ours, theirs = _outputs(scene)
    links = _links(scene)
    pairs = [(ours[i], theirs[j]) for i, j in links.items()]
    return [explain(a, b) for a, b in pairs if not _agree(a, b, scene.options)]


def _agree(ours: Array, theirs: Array, options: Options) -> bool:
    """Whether two outputs agree well enough to need no explanation; quick, unlike `explain`."""
    if ours.shape != theirs.shape:
        return False
    if options.rtol is not None and options.atol is not None:
        return bool(np.allclose(theirs, ours, options.rtol, options.atol, equal_nan=True))
    return residual(ours, theirs) <= SAME


def _outputs(scene: Scene) -> tuple[dict[int, Array], dict[int, Array]]:
    """Return both sides' outputs of numbers, by place."""
    ours, theirs = (
        {place: value for place, value in enumerate(outputs or ()) if value.dtype.kind in "biuf"}
        for outputs in (scene.observed.reference_outputs, scene.observed.candidate_outputs)
    )
    return ours, theirs


def _links(scene: Scene) -> dict[int, int]:
    ours, theirs = _outputs(scene)
    return link_outputs(scene.reference, scene.candidate, scene.pairing.matches, ours, theirs)


def _named(scene: Scene) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return both sides' outputs by name, those of the candidate in the reference's order."""
    ours, theirs = _outputs(scene)
    first = {scene.reference.output_names[i]: value for i, value in ours.items()}
    return first, {name: theirs[place] for place, name in _names(scene).items()}


def _names(scene: Scene) -> dict[int, str]:
    """Return the names of the candidate's outputs by place: the reference's, if all have one."""
    _, theirs = _outputs(scene)
    names = {j: scene.reference.output_names[i] for i, j in _links(scene).items()}
    return (
        names if set(names) == set(theirs) else {j: scene.candidate.output_names[j] for j in theirs}
    )


def _steps(outputs: Outputs, behind: Processings, side: str) -> Mapping[str, Array]:
    """Return the result of every step of one side, by site name."""
    steps: dict[str, Array] = {}
    postprocess(outputs, behind.of(side), steps.__setitem__)
    return steps
