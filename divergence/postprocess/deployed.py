"""How far the detections of both sides agree as each is deployed: from its own input on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from divergence.load.case import Case
from divergence.postprocess.apply import postprocess
from divergence.postprocess.detections import agreement
from divergence.postprocess.drawing import draw
from divergence.postprocess.processings import Processings
from divergence.postprocess.spec import Declared
from divergence.postprocess.state import Outputs, as_table
from divergence.postprocess.steps.scale_boxes import ScaleBoxes
from divergence.postprocess.views import own_placement, pictured, upright
from divergence.records import Array, Detections


def deployed(
    case: Case, behind: Processings, ours: Outputs, theirs: Outputs, names: Mapping[int, str]
) -> Detections | None:
    """Return the agreement; None where the post-processing makes no detections.

    names: of the candidate's outputs, by place.

    A candidate that was given an input of its own is run with it: what a user sees is judged.
    """
    if case.inputs_differ:
        made = case.candidate.run(case.candidate_call)
        values = {name: made[place] for place, name in names.items()}
        theirs = replace(theirs, values=values, placement=own_placement(pictured(case)))
    first = _table(postprocess(ours, behind.reference), behind, "reference")
    second = _table(postprocess(theirs, behind.candidate), behind, "candidate")
    if first is None or second is None:
        return None
    item = pictured(case)
    picture = ""
    if item is not None and item.reference is not None:
        picture = draw(upright(item.reference), first, second)
    return agreement(first, second, picture)


def _table(made: Outputs, behind: Processings, side: str) -> Array | None:
    """Return detections in the image's pixels where the way back is known."""
    if not made.are_detections:
        return None
    processing = behind.of(side)
    mapped = not isinstance(processing, Declared) or any(
        isinstance(step, ScaleBoxes) for step in processing.steps
    )
    table = as_table(made.values)
    if not mapped and made.placement is not None:
        table[:, :4] = made.placement.undone(table[:, :4])
    return table
