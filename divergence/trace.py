"""The table of contents: load, match, run, compare, diagnose, report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from divergence.clock import Clock
from divergence.errors import Interrupted
from divergence.garbage import spared
from divergence.options import Options, parse_options
from divergence.progress import Progress, Silent

if TYPE_CHECKING:
    from divergence.report import Report


def trace(
    model: Any, onnx: Any, inputs: Any, *, progress: Progress | None = None, **options: Any
) -> Report:
    """Find where `onnx` stops agreeing with `model`, why, and prove it.

    model: a live `nn.Module`, a `torch.export.ExportedProgram`, a path, a factory
        (`package.module:callable`), or an ONNX file.
    onnx: a path or an `onnx.ModelProto`.
    inputs: a tensor, an array, a tuple, a dict by name, or what the command line takes.
    progress: hears of each stage. options: the fields of `divergence.options.Options`.

    Raises:
        DivergenceError: an input or the call is wrong; the message says what to do.
        Interrupted: Ctrl-C; its `report` holds what was measured, marked partial.
    """
    from divergence.load.threads import torch_threads

    asked = parse_options(options)
    with torch_threads(asked.threads), spared():
        return _trace(model, onnx, inputs, asked, Clock(progress or Silent()))


def _trace(model: Any, onnx: Any, inputs: Any, asked: Options, clock: Clock) -> Report:
    """Take the steps in their order."""
    from divergence.capture.ahead import ahead
    from divergence.capture.runner import PreparingRunner
    from divergence.compare.doubt import observe_settled
    from divergence.diagnose.entrance import look_at_inputs
    from divergence.diagnose.fix import check_target, write_fixed
    from divergence.diagnose.investigate import investigate
    from divergence.load.case import load_case
    from divergence.matching import match
    from divergence.matching.pairs_file import read_pairs
    from divergence.matching.visible import visible
    from divergence.postprocess.exit import Scene, look_at_outputs, prove_inputs
    from divergence.postprocess.processings import read_processings
    from divergence.result import build
    from divergence.steps import Steps

    with clock.stage("load"):
        if asked.fix:
            check_target(asked.fix)
        behind = read_processings(asked)
        case = load_case(model, onnx, inputs, asked)
    with clock.stage("inputs"):
        entrance = look_at_inputs(case)
    with clock.stage("match"):
        reference = case.reference.program(case.reference_call)
        candidate = case.candidate.program(case.judged_call)
        by_hand = read_pairs(asked.pairs, reference, candidate) if asked.pairs else ()
        matching = ahead(partial(match, reference, candidate, fixed=by_hand))
        if isinstance(case.candidate, PreparingRunner):
            case.candidate.prepare()
        pairing = matching.result()
        shown = visible(pairing, candidate)[0]
    with clock.stage("compare", len(shown)):
        pairing, observed = observe_settled(
            case, reference, candidate, pairing, by_hand, asked, clock.advance
        )
        listed = visible(pairing, candidate)[1]
    with clock.stage("diagnose"):
        diagnosis = investigate(case, reference, candidate, pairing, observed, asked)
    with clock.stage("outputs"):
        scene = Scene(case, reference, candidate, listed, observed, diagnosis, asked)
        outcome = look_at_outputs(scene, behind)
        entrance = prove_inputs(scene, entrance)
    steps = Steps(case, entrance, reference, candidate, listed, observed, diagnosis, outcome)
    if asked.fix and diagnosis.edits:
        write_fixed(case.model.given, diagnosis.edits, asked.fix)
    report = build(steps, asked, clock.seconds)
    if report.partial:
        raise Interrupted(report)
    return report
