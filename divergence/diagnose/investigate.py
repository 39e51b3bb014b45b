"""Set up what diagnosis needs from a trace: the scene, the fed run, ways to run again."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from divergence.capture.onnx_runner import OnnxRunner
from divergence.capture.runner import exact_run
from divergence.compare.dtypes import dtype_named
from divergence.compare.floor import MULTIPLE
from divergence.compare.lineage import lineages, own_step
from divergence.compare.observe import Observed
from divergence.diagnose.beneath import beneath, merged
from divergence.diagnose.causes.reduced import HALF
from divergence.diagnose.culprits import accuse
from divergence.diagnose.diagnosis import Diagnosis, diagnose
from divergence.diagnose.edits import Edit
from divergence.diagnose.held import within_range
from divergence.diagnose.inquiry import Inquiry, Means
from divergence.diagnose.introduced import measure_introduced
from divergence.diagnose.judge import SURE, is_ignored
from divergence.diagnose.layout import to_candidate
from divergence.diagnose.level import Level, level
from divergence.diagnose.mispairs import Settled, settle
from divergence.diagnose.misshapen import ended, misshapen
from divergence.diagnose.proof import Bench
from divergence.diagnose.segments import index, segment
from divergence.diagnose.strangers import strangers
from divergence.diagnose.suspects import Scene
from divergence.diagnose.translation import in_aten
from divergence.errors import CaptureError, LoadError
from divergence.load.case import Case
from divergence.options import Options
from divergence.records import Array, Call, Introduced, Match, Pairing, Program, Site

if TYPE_CHECKING:
    from onnx import ModelProto


def investigate(
    case: Case,
    reference: Program,
    candidate: Program,
    pairing: Pairing,
    observed: Observed,
    asked: Options,
) -> Diagnosis:
    """Measure what each segment introduces, then diagnose; Ctrl-C ends it without an answer."""
    runner = case.candidate
    if not isinstance(runner, OnnxRunner) or observed.interrupted or not asked.diagnose:
        return Diagnosis()
    if not pairing.matches:  # what nothing was compared for is not ruled out
        return Diagnosis()
    try:
        return _investigate(case, runner, reference, candidate, pairing, observed, asked)
    except KeyboardInterrupt:
        return Diagnosis(interrupted=True)


def _investigate(
    case: Case,
    runner: OnnxRunner,
    reference: Program,
    candidate: Program,
    pairing: Pairing,
    observed: Observed,
    asked: Options,
) -> Diagnosis:
    call = case.judged_call
    flat = level(runner, call, candidate)
    inquire = partial(_inquire, case, reference, observed, asked)
    inquiry, wrong = inquire(runner, flat, pairing)
    diagnosis = diagnose(inquiry)
    diagnosis = replace(diagnosis, wrong=(*wrong, *diagnosis.wrong))
    if own_step(candidate) <= HALF:
        return diagnosis
    try:
        hidden = beneath(
            inquiry, flat, call, lambda bare, pairs: inquire(bare.runner, bare, pairs)[0]
        )
    except (CaptureError, LoadError):  # some operators are not known in real numbers
        return diagnosis
    return diagnosis if hidden is None else merged(inquiry, diagnosis, hidden)


def _inquire(
    case: Case,
    reference: Program,
    observed: Observed,
    asked: Options,
    runner: OnnxRunner,
    flat: Level,
    pairing: Pairing,
) -> tuple[Inquiry, tuple[Match, ...]]:
    """Return what segments add, and who is accused, with the pairs that prove to be none.

    runner: of the file in which causes are undone. flat: the same, as segments are cut out of it.
    """
    call = case.judged_call
    candidate, model = flat.program, flat.runner.file.model
    made = top_values(model) - {site.name for site in candidate.sites if site.constant}
    given = {site.name for site in candidate.sites if site.kind == "input"}
    bounds = boundaries(reference, candidate, pairing, made | given)
    misfits = misshapen(observed.measured, made, index(reference))
    fitting = tuple(m for m in bounds if m.candidate not in {one.candidate for one in misfits})
    scene = Scene(_spoken(case, reference), candidate, fitting, model, case.module)
    inputs: Mapping[str, Array] = dict(call.kwargs)

    def remeasure(scene: Scene) -> dict[Match, Introduced]:
        program = scene.candidate
        fed = [match for match in scene.matches if match.candidate in made]
        return measure_introduced(
            exact_run(case.reference, case.reference_call, "fed"),
            flat.runner.fed_windows([m.candidate for m in fed], _sizes(program), asked.memory),
            fed,
            scene.candidate_sites,
            inputs,
            lineages(reference, program, scene.matches),
            scene.misshapen,
        )

    scene, first = within_range(scene, remeasure, observed.measured)
    strange = partial(strangers, collect=partial(_collect, case), inputs=inputs)
    settled = settle(scene, first, remeasure, strange, MULTIPLE)
    settled = ended(settled, misfits, remeasure, MULTIPLE)
    counted = _counted(settled, case, observed, asked)
    inquiry = Inquiry(
        case=case,
        scene=settled.scene,
        observed=observed,
        introduced=settled.introduced,
        accused=accuse(settled.scene, counted, MULTIPLE),
        means=Means(
            collect=partial(_collect, case),
            bench=Bench(partial(_rerun, runner, call), _expected(settled.scene, observed, pairing)),
            inputs=inputs,
        ),
        options=asked,
    )
    return inquiry, settled.wrong


def _spoken(case: Case, reference: Program) -> Program:
    """Return the reference in the words that detectors read, whatever it is."""
    if isinstance(case.reference, OnnxRunner):
        return in_aten(reference, case.reference.file.model)
    return reference


def _counted(
    settled: Settled, case: Case, observed: Observed, asked: Options
) -> dict[Match, Introduced]:
    """Return what the segments add that may be accused."""
    same = _same(observed)
    return {
        match: added
        for match, added in settled.introduced.items()
        for read in [set(settled.scene.candidate_segment(match.candidate).inputs)]
        if not is_ignored(match.reference, asked.ignore)
        and not case.apart & read
        and not same >= {match.candidate, *read}
    }


def _same(observed: Observed) -> frozenset[str]:
    """Return the candidate's values that are the reference's to the last bit in the free run.

    What leads from such values to such a value adds nothing, whatever the fed run shows: that
    computes by the file's own graph, whose arithmetic is not that of the optimised one.
    """
    measured = ((pair.match.candidate, pair.metrics) for pair in observed.measured)
    return frozenset(n for n, m in measured if not m.mismatched and not m.incomparable)


def top_values(model: ModelProto) -> frozenset[str]:
    """Return the values made at the top of a graph: those that can be fed."""
    return frozenset(name for node in model.graph.node for name in node.output if name)


def _sizes(program: Program) -> dict[str, int]:
    """Return the bytes of each value whose shape and type are known."""
    return {
        site.name: math.prod(site.shape) * dtype_named(site.dtype).itemsize
        for site in program.sites
        if site.shape is not None and site.dtype is not None
    }


def boundaries(
    reference: Program, candidate: Program, pairing: Pairing, values: Collection[str]
) -> tuple[Match, ...]:
    """Return the matches that may bound segments: one for each of the candidate's `values`.

    Of several reference sites with one value the first stands for all, a later one where the
    candidate computes its own from a value that the first comes before. A copy of a value that
    is paired bounds nothing of its own where the reference's is one too.
    """
    ours, theirs = index(reference), index(candidate)
    options: dict[str, list[Match]] = {}
    for match in pairing.matches:
        if match.confidence >= SURE and match.candidate in values:
            options.setdefault(match.candidate, []).append(match)
    chosen = {name: _first(found, ours) for name, found in options.items()}
    for name, found in options.items():
        if len(found) > 1:
            read = segment(theirs, name, chosen).inputs
            before = max((ours[chosen[n].reference].order for n in read if n in chosen), default=-1)
            behind = [match for match in found if ours[match.reference].order > before]
            chosen[name] = _first(behind or found, ours)
    bounds = []
    for name, match in chosen.items():
        source = chosen.get(_original(theirs, name), match)
        copy = _original(ours, source.reference) == _original(ours, match.reference)
        if source is match or not copy:
            bounds.append(match)
    return tuple(sorted(bounds, key=lambda m: ours[m.reference].order))


def _first(found: Sequence[Match], sites: Mapping[str, Site]) -> Match:
    """Return the first match, of those that are no aliases if there are any."""
    return next((m for m in found if not sites[m.reference].alias_of), found[0])


def _original(sites: Mapping[str, Site], name: str) -> str:
    """Return the value that a site is a copy of, itself where it is none."""
    while (alias := sites[name].alias_of) is not None and alias in sites:
        name = alias
    return name


def _collect(case: Case, names: set[str]) -> dict[str, Array]:
    """Run the reference once more and keep the values of these sites."""
    kept: dict[str, Array] = {}

    def probe(site: str, value: Array, exact: Array | None = None) -> None:
        del exact
        kept[site] = value.copy()

    case.reference.run(case.reference_call, probe, names)
    return kept


def _rerun(runner: OnnxRunner, call: Call, edits: Sequence[Edit]) -> Mapping[str, Array] | None:
    """Run the candidate with edits; None where the edited file does not run."""
    from onnx import ModelProto

    model = ModelProto()
    model.CopyFrom(runner.file.model)
    try:
        for edit in edits:
            edit.apply(model.graph)
        return runner.evaluate(model, call)
    except (KeyError, LoadError, CaptureError):
        return None


def _expected(scene: Scene, observed: Observed, pairing: Pairing) -> dict[str, Array]:
    """Return the reference's outputs by the candidate's names, in its layout."""
    values = dict(zip(scene.reference.outputs, observed.reference_outputs or (), strict=False))
    sites = index(scene.candidate)
    expected: dict[str, Array] = {}
    for match in pairing.matches:
        if match.candidate in scene.candidate.outputs and match.reference in values:
            value = to_candidate(values[match.reference], match.alignment, sites[match.candidate])
            if value is not None:
                expected.setdefault(match.candidate, value)
    return expected
