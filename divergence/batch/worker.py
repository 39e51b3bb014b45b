"""Runs inputs through both sides, which it loads once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from divergence.batch.comparison import compare_answers, compare_outputs
from divergence.batch.records import Item, Row
from divergence.capture.onnx_runner import OnnxRunner
from divergence.capture.runner import Runner
from divergence.errors import CaptureError, InputError
from divergence.load.case import Case, Sides, load_sides
from divergence.load.threads import torch_threads
from divergence.options import Options
from divergence.postprocess.apply import postprocess
from divergence.postprocess.linking import link_outputs
from divergence.postprocess.processings import Processings, read_processings
from divergence.postprocess.views import own_placement, pictured, views
from divergence.records import Array, Call


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker needs to begin: it goes to other processes as it is."""

    model: Any
    onnx: Any
    options: Options


@dataclass(slots=True)
class Worker:
    """Both sides, and the names of their outputs once an input has told them."""

    sides: Sides
    behind: Processings
    threads: int | None
    names: tuple[tuple[str, ...], dict[int, str]] | None = field(default=None)

    def compare(self, item: Item) -> Row:
        """Return the row of one input; what is wrong with it is said in the row."""
        try:
            with torch_threads(self.threads):
                return self._compare(item)
        except InputError as error:
            return Row(item.name, "unreadable", str(error))
        except (CaptureError, MemoryError) as error:
            return Row(item.name, "failed", str(error) or type(error).__name__)

    def _compare(self, item: Item) -> Row:
        case = self.sides.case(item.inputs)
        ours = _run(case.reference, case.reference_call)
        theirs = _run(case.candidate, case.candidate_call)
        first, second = self._named(case, ours, theirs)
        row = compare_outputs(item.name, first, second)
        if row.state != "compared":
            return row
        before, after = views(case, first, second)
        after = replace(after, placement=own_placement(pictured(case)))
        answers = (
            postprocess(before, self.behind.reference),
            postprocess(after, self.behind.candidate),
        )
        return compare_answers(row, *answers)

    def _named(
        self, case: Case, ours: Mapping[int, Array], theirs: Mapping[int, Array]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        if self.names is None:
            reference = case.reference.program(case.reference_call)
            candidate = case.candidate.program(case.judged_call)
            links = link_outputs(reference, candidate, (), ours, theirs)
            paired = {j: reference.output_names[i] for i, j in links.items()}
            alone = {j: f"candidate {candidate.output_names[j]}" for j in theirs if j not in paired}
            self.names = reference.output_names, paired | alone
        names, other = self.names
        return {names[i]: v for i, v in ours.items()}, {other[j]: theirs[j] for j in other}


def open_worker(job: Job) -> Worker:
    """Load both sides.

    Raises:
        DivergenceError: a model or an option is wrong: no input could be compared.
    """
    behind = read_processings(job.options)
    return Worker(load_sides(job.model, job.onnx, job.options), behind, job.options.threads)


def _run(runner: Runner, call: Call) -> dict[int, Array]:
    """Run with nothing observed; return the outputs that hold numbers, by place."""
    made = runner.untouched(call) if isinstance(runner, OnnxRunner) else runner.run(call)
    return {place: value for place, value in enumerate(made) if value.dtype.kind in "biuf"}
