"""Two prepared pictures compared: their recipes, the differences, and a proof for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from divergence.preparation.differences import (
    DETECTORS,
    Difference,
    channel_order,
    layout,
    mean_std,
    ranges,
)
from divergence.preparation.inference.readings import readings
from divergence.preparation.inference.recipe import Recipe, Trial
from divergence.preparation.inference.relation import Relation, relate
from divergence.preparation.inference.remainder import MOST_LEVELS, sits_at_edges
from divergence.preparation.inference.scaling import express, scaling_of
from divergence.preparation.inference.search import find_recipe
from divergence.preparation.inference.side import Side, composed, upright
from divergence.preparation.inference.sources import from_image, from_tensor
from divergence.preparation.inference.tone import levels
from divergence.preparation.spec import Spec, to_document
from divergence.preparation.without_image import Overlaid, explain_geometry
from divergence.records import Array, Evidence, Finding, Proof, RuledOut

if TYPE_CHECKING:
    from PIL import Image

# Undoing a change must move the result away from the candidate by this factor, or the change
# explains nothing.
_MATTERS = 1.2
# What can be told from values that were resampled.
_OF_VALUES = (channel_order, ranges, mean_std, layout)
# Share of the candidate's range that a recipe may be off at its worst pixel to count as exact.
_NEAR = 0.01
# What is left in grey levels where it is not worth a finding beside others.
_LITTLE = 0.6


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome; the fields are those of `explain.Explanation`."""

    findings: tuple[Finding, ...]
    explained: bool
    residual: float
    spec: Spec | None
    reference_spec: Spec | None
    tried: tuple[RuledOut, ...]


def explain_pictures(
    reference: Array,
    candidate: Array,
    image: Path | str | Image.Image | None = None,
    reference_spec: Spec | None = None,
) -> Compared:
    """Return in which preparation steps two pictures differ."""
    ours = _reference_side(reference, image, reference_spec)
    from_picture = ours is not None
    if ours is None:
        ours = _tensor_side(reference, reference_spec)
    theirs = _candidate_side(ours, reference, candidate)
    if not from_picture and (theirs is None or not theirs.recipe.trial.exact):
        moved = explain_geometry(reference, candidate)
        if moved is not None:
            return _moved(ours, moved, candidate)
    if theirs is None:
        what = "image" if from_picture else "reference's"
        why = f"the candidate's picture is not recognised in the {what}"
        return Compared((), False, float("nan"), None, None, _all_ruled_out(why))
    return _judged(ours, theirs, candidate, from_picture)


def _moved(ours: Side, moved: Overlaid, candidate: Array) -> Compared:
    """Return the geometry, and what the values that both show say about range and colours."""
    relation = Relation(moved.reading, None, moved.tone)
    recipe = composed(ours.recipe, relation, str(candidate.dtype))
    theirs = Side(recipe, express(recipe.tone, ours.scaling, exact=False), ours.source)
    differences = [detector.find(ours, theirs) for detector in _OF_VALUES]
    values = [
        Finding(
            difference.cause,
            None,
            0.5,
            difference.explanation,
            difference.evidence,
            difference.remedy,
            difference.parameters,
        )
        for difference in differences
        if difference is not None
    ]
    return Compared((moved.finding, *values), False, float("nan"), None, None, ())


def _reference_side(
    reference: Array, image: Path | str | Image.Image | None, spec: Spec | None
) -> Side | None:
    """Return the reference's recipe from the image, None where there is none to be found."""
    if image is None:
        return None
    channels = len(next(readings(reference.shape)).planes(reference))
    source = from_image(image, channels)
    recipe = find_recipe(reference, source.picture)
    if recipe is None:
        return None
    like = scaling_of(spec.steps, recipe.tone.order) if spec is not None else None
    return Side(recipe, express(recipe.tone, like, recipe.trial.exact), source)


def _tensor_side(reference: Array, spec: Spec | None) -> Side:
    """Return the reference's tensor as the picture that both sides start from."""
    reading = next(readings(reference.shape))
    order = tuple(range(len(reading.planes(reference))))
    scaling = scaling_of(spec.steps, order) if spec is not None else None
    return from_tensor(reference, reading, scaling)


def _candidate_side(ours: Side, reference: Array, candidate: Array) -> Side | None:
    """Return the candidate's recipe: from the reference's where one maps exactly, else searched."""
    relation = relate(reference, candidate, ours.recipe.reading)
    if relation is not None:
        recipe = composed(ours.recipe, relation, str(candidate.dtype))
    else:
        found = find_recipe(candidate, ours.source.picture, ours.recipe)
        if found is None:
            return None
        recipe = found
    recipe = upright(recipe, ours.recipe.tone)
    return Side(recipe, express(recipe.tone, ours.scaling, recipe.trial.exact), ours.source)


def _judged(ours: Side, theirs: Side, candidate: Array, from_picture: bool) -> Compared:
    """Keep the differences that matter, each with its proof, and name what is left over."""
    after = _Distance.of(theirs, theirs.recipe, candidate)
    findings: list[Finding] = []
    tried: list[RuledOut] = []
    for detector in DETECTORS:
        difference = detector.find(ours, theirs)
        if difference is None:
            tried.append(RuledOut(detector.CAUSE, "the same on both sides"))
            continue
        before = _Distance.of(theirs, difference.undone, candidate)
        if not difference.of_shape and before.rms <= _MATTERS * after.rms + after.rounding:
            tried.append(RuledOut(detector.CAUSE, "doing it as the reference makes no difference"))
            continue
        findings.append(_finding(difference, ours, theirs, before, after, from_picture))
    if not theirs.recipe.trial.exact:
        findings += _left_over(ours, theirs, candidate, findings, from_picture)
    return Compared(
        tuple(sorted(findings, key=lambda found: -found.confidence)),
        theirs.recipe.trial.exact and after.worst <= _NEAR * float(np.ptp(candidate)),
        after.worst,
        theirs.spec if from_picture else None,
        ours.spec if from_picture else None,
        tuple(tried),
    )


@dataclass(frozen=True, slots=True)
class _Distance:
    """How far a recipe's tensor is from the candidate, in the candidate's units."""

    worst: float
    rms: float
    rounding: float

    @classmethod
    def of(cls, side: Side, recipe: Recipe, candidate: Array) -> _Distance:
        made = side.make(recipe)
        wanted = _first_of_batch(candidate, side.recipe).astype(np.float64).ravel()
        rounding = 1e-5 * float(np.abs(wanted).max(initial=0.0))
        if made is None or made.size != wanted.size:
            return cls(float("inf"), float("inf"), rounding)
        distance = np.abs(made - wanted)
        return cls(float(distance.max()), float(np.sqrt(np.mean(distance**2))), rounding)


def _first_of_batch(tensor: Array, recipe: Recipe) -> Array:
    return tensor[0] if recipe.reading.axes.startswith("N") else tensor


def _finding(
    difference: Difference,
    ours: Side,
    theirs: Side,
    before: _Distance,
    after: _Distance,
    from_picture: bool,
) -> Finding:
    parameters = dict(difference.parameters)
    if from_picture:
        parameters["spec"] = to_document(theirs.spec)
        parameters["reference_spec"] = to_document(ours.spec)
    source = "the image" if from_picture else "the reference's tensor"
    return Finding(
        difference.cause,
        None,
        _confidence(theirs.recipe.trial),
        difference.explanation,
        difference.evidence,
        difference.remedy,
        parameters,
        Proof(
            f"{source} prepared with this change (after) and without it (before), "
            "against the candidate's tensor",
            before.worst,
            after.worst,
        ),
    )


def _confidence(trial: Trial) -> float:
    """Return how sure a difference is, by what the recipe leaves over in grey levels."""
    if trial.exact:
        return 0.99
    steps = ((0.5, 0.85), (2.0, 0.6), (6.0, 0.45))
    return next((sure for bound, sure in steps if trial.rms < bound), 0.35)


def _left_over(
    ours: Side, theirs: Side, candidate: Array, known: list[Finding], from_picture: bool
) -> list[Finding]:
    """Return a finding, without a recipe, for what the recipe leaves unexplained."""
    trial = theirs.recipe.trial
    shared = ours.recipe.trial.rms > 0.5 * trial.rms  # both sides do something unknown alike
    moved = not from_picture and theirs.recipe.parts.geometry
    made = theirs.planes()
    little = bool(known) and trial.rms < _LITTLE
    if shared or moved or little or made is None or trial.rms > MOST_LEVELS:
        return []
    tone = theirs.recipe.tone
    remainder = levels(theirs.recipe.reading.planes(candidate) - tone.apply(made), tone)
    at_edges = sits_at_edges(remainder, made)
    cause = "preprocess.resize_kernel" if at_edges else "preprocess.values"
    if any(found.cause == cause for found in known):
        return []
    where = (
        "at edges, as another kernel or library" if at_edges else "everywhere, as another decoder"
    )
    return [
        Finding(
            cause,
            None,
            0.4,
            f"What is left differs by {trial.rms:.2g} grey levels (root mean square), {where} "
            "would; no recipe that was tried reproduces it.",
            (Evidence("grey levels left", ours.recipe.trial.rms, trial.rms),),
            "Prepare both sides with the same code.",
            {"spec": to_document(theirs.spec)} if from_picture else {},
        )
    ]


def _all_ruled_out(reason: str) -> tuple[RuledOut, ...]:
    return tuple(RuledOut(detector.CAUSE, reason) for detector in DETECTORS)
