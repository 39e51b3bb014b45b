"""Before the first layer: how each side's input was prepared, and what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.compare.observe import compare
from divergence.load.case import Case
from divergence.load.values import Value
from divergence.preparation.apply import STAGE, prepare
from divergence.preparation.explain import Explanation, explain
from divergence.preparation.spec import Spec
from divergence.records import Array, Finding, Match, Measured, RuledOut


@dataclass(frozen=True, slots=True)
class Entrance:
    """What differs before the model.

    differs: the candidate is fed something else than the reference, beyond rounding. measured:
    the steps of the preparation and the tensors. sentence: how the inputs differ.
    """

    differs: bool = False
    findings: tuple[Finding, ...] = ()
    ruled_out: tuple[RuledOut, ...] = ()
    measured: tuple[Measured, ...] = ()
    sentence: str = ""


def look_at_inputs(case: Case) -> Entrance:
    """Compare what both sides are fed, step by step where an image was prepared."""
    both = [
        (item.own, item.reference, item.candidate)
        for item in case.inputs
        if item.reference is not None and item.candidate is not None
    ]
    measured = [m for _, ours, theirs in both for m in _steps(ours, theirs)]
    given = [(ours, theirs) for own, ours, theirs in both if own]
    if not given:
        return Entrance(measured=tuple(measured))
    found = [_explain(ours, theirs) for ours, theirs in given]
    told = [e for e in found if not e.same]
    return Entrance(
        differs=bool(told),
        findings=tuple(f for e in told for f in e.findings),
        ruled_out=tuple(r for e in told for r in e.tried),
        measured=(*measured, *(m for ours, theirs in given for m in _tensors(ours, theirs))),
        sentence=" ".join(e.sentence for e in told),
    )


def _explain(ours: Value, theirs: Value) -> Explanation:
    known = ours.chosen.preparation if ours.chosen else None
    return explain(
        np.asarray(ours.value),
        np.asarray(theirs.value),
        ours.image if ours.image is not None else theirs.image,
        known if isinstance(known, Spec) else None,
        ours.name,
    )


def _tensors(ours: Value, theirs: Value) -> Iterator[Measured]:
    """Yield the pair of the prepared tensors."""
    match = Match(f"{STAGE}.{ours.name}", f"{STAGE}.{theirs.name}", "input", 1.0)
    yield compare(match, np.asarray(ours.value), np.asarray(theirs.value), None)


def _steps(ours: Value, theirs: Value) -> Iterator[Measured]:
    """Yield a pair for each step that both preparations have, in order."""
    if not (ours.chosen and theirs.chosen) or ours.image is None or theirs.image is None:
        return
    first, second = (
        _shown(ours.image, ours.chosen.preparation),
        _shown(theirs.image, theirs.chosen.preparation),
    )
    for name, value in first.items():
        if name in second:
            yield compare(Match(name, name, "preparation", 1.0), value, second[name], None)


def _shown(image: Any, preparation: Any) -> dict[str, Array]:
    """Return the result of every step, by site name."""
    steps: dict[str, Array] = {}

    def show(name: str, value: Array) -> None:
        steps[name] = np.array(value)

    prepare(image, preparation, show)
    return steps
