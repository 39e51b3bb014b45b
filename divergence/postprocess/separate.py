"""Which differences the post-processing makes by itself: both sides' on the same outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from divergence.errors import InputError
from divergence.postprocess.apply import postprocess
from divergence.postprocess.detections import matches
from divergence.postprocess.explain import Explanation, explain
from divergence.postprocess.processings import Processings
from divergence.postprocess.residual import SAME, residual
from divergence.postprocess.spec import Declared
from divergence.postprocess.state import Outputs, as_table
from divergence.postprocess.steps import Step
from divergence.records import Array, Evidence, Finding, Proof

UNEXPLAINED = (
    "The two post-processings give other results from the same outputs; no known cause explains it."
)


@dataclass(frozen=True, slots=True)
class Separate:
    """What the post-processing makes of the same outputs; without findings it is unexplained."""

    differs: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def sentence(self) -> str:
        """What the verdict says where no finding says it."""
        return UNEXPLAINED if self.differs and not self.findings else ""


@dataclass(frozen=True, slots=True)
class _Change:
    """A step that the candidate's document has otherwise; None where it is missing."""

    ours: Step | None
    theirs: Step | None

    @property
    def step(self) -> Step:
        one = self.ours or self.theirs
        assert one is not None
        return one

    def evidence(self) -> Iterator[Evidence]:
        """Yield each key that differs, or that a step is missing."""
        ours, theirs = (one.document() if one else None for one in (self.ours, self.theirs))
        if not (isinstance(ours, dict) and isinstance(theirs, dict)):
            yield Evidence(f"step {self.step.word}", *(_told(v) for v in (ours, theirs)))
            return
        for key in {**ours, **theirs}:
            if ours.get(key) != theirs.get(key):
                yield Evidence(f"{self.step.word}.{key}", ours.get(key), theirs.get(key))


def separated(
    behind: Processings, ours: Outputs, theirs: Outputs, *, raw_differs: bool
) -> Separate:
    """Return what the candidate's post-processing does otherwise.

    It is run on the reference's outputs. Where the candidate's outputs are another form of them
    (`raw_differs`: a layout, a link function within the file) it is run on its own: the two may
    belong together.
    """
    if behind.reference == behind.candidate and not raw_differs:
        return Separate()
    first: dict[str, Array] = {}
    second: dict[str, Array] = {}
    right = postprocess(ours, behind.reference, first.__setitem__)
    alike = _shapes(ours) == _shapes(theirs) and not raw_differs
    fed = (
        replace(theirs, values=dict(zip(theirs.values, ours.values.values(), strict=True)))
        if alike
        else theirs
    )
    made = postprocess(fed, behind.candidate, second.__setitem__)
    found = _explained(right, made)
    if found.same:
        return Separate()
    told = _where_it_begins(first, second) or found
    return _told_apart(behind, told, _apart(right, made, found))


def _apart(right: Outputs, made: Outputs, found: Explanation) -> Proof:
    """Return what giving the candidate the reference's post-processing undoes.

    Where there are other boxes no distance says anything: those of one side alone are counted.
    """
    action = "give the candidate the reference's post-processing"
    if np.isfinite(found.distance) or not (right.are_detections and made.are_detections):
        return Proof(action, found.distance, 0.0)
    ours, theirs = as_table(right.values), as_table(made.values)
    alone = len(ours) + len(theirs) - 2 * len(matches(ours, theirs))
    return Proof(f"{action}; boxes of one side alone are counted", float(alone), 0.0)


def _where_it_begins(first: Mapping[str, Array], second: Mapping[str, Array]) -> Explanation | None:
    """Return what explains the first step that differs: nothing later covers it there."""
    for name, value in first.items():
        if name in second and residual(value, second[name]) > SAME:
            found = explain(value, second[name])
            return found if found.findings else None
    return None


def _shapes(outputs: Outputs) -> list[tuple[int, ...]]:
    return [value.shape for value in outputs.values.values()]


def _explained(right: Outputs, made: Outputs) -> Explanation:
    if right.are_detections and made.are_detections:
        return explain(as_table(right.values), as_table(made.values))
    if len(right.values) == len(made.values) == 1:
        return explain(_only(right), _only(made))
    try:
        return explain(right.values, made.values)
    except InputError:  # other outputs altogether
        return Explanation((), same=False, explained=False, distance=float("inf"))


def _only(outputs: Outputs) -> Array:
    return next(iter(outputs.values.values()))


def _told_apart(behind: Processings, found: Explanation, proof: Proof) -> Separate:
    """Join what the results show with what the documents say."""
    changes = list(_changes(behind))
    findings = [_with_words(finding, changes) for finding in found.findings]
    told = {finding.cause for finding in findings}
    findings += [_declared(change, proof) for change in changes if change.step.cause not in told]
    return Separate(True, tuple(findings))


def _changes(behind: Processings) -> Iterator[_Change]:
    """Yield the steps in which two documents differ, in order."""
    if not (isinstance(behind.reference, Declared) and isinstance(behind.candidate, Declared)):
        return
    ours, theirs = behind.reference.steps, behind.candidate.steps
    words = [[step.word for step in steps] for steps in (ours, theirs)]
    for tag, i, i_end, j, j_end in SequenceMatcher(
        None, words[0], words[1], autojunk=False
    ).get_opcodes():
        if tag == "equal":
            pairs = zip(ours[i:i_end], theirs[j:j_end], strict=True)
            yield from (_Change(a, b) for a, b in pairs if a != b)
        else:
            yield from (_Change(a, None) for a in ours[i:i_end])
            yield from (_Change(None, b) for b in theirs[j:j_end])


def _with_words(finding: Finding, changes: list[_Change]) -> Finding:
    said = tuple(e for c in changes if c.step.cause == finding.cause for e in c.evidence())
    text = f"in the post-processing, {finding.explanation}"
    return replace(finding, explanation=text, evidence=(*said, *finding.evidence))


def _declared(change: _Change, proof: Proof) -> Finding:
    evidence = tuple(change.evidence())
    keys = ", ".join(
        f"{e.name} {_told(e.reference)} against {_told(e.candidate)}" for e in evidence
    )
    return Finding(
        cause=change.step.cause,
        culprit=None,
        confidence=0.9,
        explanation=f"the candidate's post-processing is another: {keys}",
        evidence=evidence,
        remedy="Give both sides the same post-processing.",
        parameters={"step": change.step.word},
        proof=proof,
    )


def _told(value: Any) -> Any:
    return "none" if value is None else value
