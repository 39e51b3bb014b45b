"""Which rule of suppression each side may have followed: tried on all boxes that either keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from divergence.postprocess.suppression import suppress
from divergence.postprocess.tables import Table
from divergence.records import Array

# Overlap thresholds that are tried; 1 is no suppression.
_THRESHOLDS = np.round(np.arange(0.05, 1.001, 0.01), 2)
# Rounding may move a few boxes over a threshold: this share of all may be told wrongly.
_WRONG = 0.02
# Where boxes are rounded, a rule that tells this share more of all boxes wrongly is as good.
_ROUNDED = 0.01


@dataclass(frozen=True, slots=True)
class Rule:
    """What one side may have done.

    wrong: by "class-agnostic", how many boxes each of `_THRESHOLDS` tells otherwise. made: the
    survivors by each. kept: the boxes that the side has. least: their least score. slack: how
    many boxes more may be wrong, for their rounding.
    """

    wrong: Mapping[bool, Array]
    made: Mapping[bool, Array]
    kept: Array
    least: float
    slack: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A way of suppression for each side, and the thresholds at which it tells most boxes right."""

    agnostic: tuple[bool, bool]
    shared: bool
    at: tuple[Array, Array]
    wrong: int

    @property
    def differs(self) -> bool:
        """Whether the two sides suppress otherwise."""
        return self.agnostic[0] != self.agnostic[1] or not self.shared


def recover(union: Table, apart: Array, kept: Array, *, rounded: bool) -> Rule:
    """Try all thresholds, class by class and over all classes.

    apart: overlaps of all boxes. rounded: the boxes of both sides agree but for rounding.
    """
    least = float(union.scores[kept].min())
    above = union.scores >= least
    alike = union.labels[:, None] == union.labels[None]
    made, wrong = {}, {}
    for agnostic in (False, True):
        counted = apart if agnostic else np.where(alike, apart, 0)
        made[agnostic] = np.array([suppress(union.scores, counted, iou) for iou in _THRESHOLDS])
        wrong[agnostic] = ((made[agnostic] & above) != kept).sum(axis=1)
    slack = max(1, round(_ROUNDED * len(kept))) if rounded else 0
    return Rule(wrong, made, kept, least, slack)


def choose(ours: Rule, theirs: Rule) -> Choice | None:
    """Return the fewest differences that tell the boxes right; None where no rules do.

    In this order: no difference, another way of counting classes, another threshold, both.
    """
    found = [
        choice
        for shared, alike in ((True, True), (True, False), (False, True), (False, False))
        for agnostic in (False, True)
        if (choice := _tried(ours, theirs, (agnostic, agnostic == alike), shared)) is not None
    ]
    least = min((choice.wrong for choice in found), default=0)
    allowed = least + ours.slack
    return next((choice for choice in found if choice.wrong <= allowed), None)


def _tried(ours: Rule, theirs: Rule, agnostic: tuple[bool, bool], shared: bool) -> Choice | None:
    wrong = ours.wrong[agnostic[0]], theirs.wrong[agnostic[1]]
    if shared:
        both = wrong[0] + wrong[1]
        at = _least(both, ours)
        fits = max(int(w[at].min()) for w in wrong) <= _WRONG * len(ours.kept)
        return Choice(agnostic, shared, (_THRESHOLDS[at],) * 2, int(both.min())) if fits else None
    ends = _least(wrong[0], ours), _least(wrong[1], theirs)
    if max(int(w.min()) for w in wrong) > _WRONG * len(ours.kept):
        return None
    total = int(wrong[0].min() + wrong[1].min())
    return Choice(agnostic, shared, (_THRESHOLDS[ends[0]], _THRESHOLDS[ends[1]]), total)


def _least(wrong: Array, rule: Rule) -> Array:
    least = int(wrong.min())
    return np.flatnonzero(wrong <= least + rule.slack)


def middle(rule: Rule, choice: Choice, side: int) -> Array:
    """Return what survives by the threshold in the middle of those that fit."""
    at = choice.at[side]
    place = int(np.flatnonzero(at[len(at) // 2] == _THRESHOLDS)[0])
    return np.asarray(rule.made[choice.agnostic[side]][place])
