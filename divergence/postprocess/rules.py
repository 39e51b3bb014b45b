"""By which rules each side chose its boxes: recovered by running them on all that either keeps.

A box that suppression removes was removed by one that stays. So a side's rule, run on the union
of what both sides keep, gives exactly what that side keeps, and other rules do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.postprocess.suppression import suppress
from divergence.postprocess.tables import Table, overlaps
from divergence.records import Array, Evidence

# Overlap thresholds that are tried; 1 is no suppression.
_THRESHOLDS = np.round(np.arange(0.05, 1.001, 0.01), 2)
# Rounding may move a few boxes over a threshold: this share of all may be told wrongly.
_WRONG = 0.02
_MOST_ROWS = 1500
# Numbers at which implementations cut the list of boxes.
_ROUND = frozenset({1, 5, 10, 20, 25, 30, 50, 64, 100, 128, 150, 200, 256, 300, 500, 512, 1000})
_EQUAL_BOX = 0.999


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule in which the sides differ."""

    explanation: str
    parameters: Mapping[str, Any]
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class _Rule:
    """What one side may have done. overlap: thresholds that fit, by "class-agnostic"."""

    overlap: Mapping[bool, Array]
    least: float
    count: int
    survivors: Array


def reasons(union: Table, reference: Array, candidate: Array) -> tuple[Reason, ...]:
    """Return in which rules the sides differ, as far as that can be told.

    union: rows that either side keeps. reference, candidate: which of them each keeps.
    """
    if len(union.rows) > _MOST_ROWS or not reference.any() or not candidate.any():
        return ()
    labels = _several_labels(union, reference, candidate)
    if labels is not None:
        return (labels,)
    apart = overlaps(union.boxes, union.boxes)
    rules = [_recover(union, apart, kept) for kept in (reference, candidate)]
    found = _overlap(*rules)
    return (*([found] if found else []), *_scores(union, rules))


def _recover(union: Table, apart: Array, kept: Array) -> _Rule:
    """Try all thresholds, class by class and over all classes."""
    least = float(union.scores[kept].min())
    above = union.scores >= least
    alike = union.labels[:, None] == union.labels[None]
    fitting: dict[bool, Array] = {}
    survivors = np.ones(len(kept), dtype=bool)
    for agnostic in (False, True):
        counted = apart if agnostic else np.where(alike, apart, 0)
        made = [suppress(union.scores, counted, iou) for iou in _THRESHOLDS]
        wrong = np.array([((stay & above) != kept).sum() for stay in made])
        right = np.flatnonzero(wrong <= _WRONG * len(kept))
        right = right[wrong[right] == wrong[right].min()] if right.size else right
        fitting[agnostic] = _THRESHOLDS[right]
        if right.size and not (agnostic and fitting[False].size):
            survivors = made[int(right[len(right) // 2])]
    return _Rule(fitting, least, int(kept.sum()), survivors)


def _overlap(ours: _Rule, theirs: _Rule) -> Reason | None:
    """Say that suppression differs where no threshold and way of counting fits both."""
    if any(np.intersect1d(ours.overlap[way], theirs.overlap[way]).size for way in (False, True)):
        return None
    for way in (False, True):
        if ours.overlap[way].size and theirs.overlap[way].size:
            return _other_threshold(ours.overlap[way], theirs.overlap[way], way)
    for way in (False, True):
        if ours.overlap[way].size and theirs.overlap[not way].size:
            return _other_classes(ours.overlap[way], theirs.overlap[not way], way)
    return None


def _other_threshold(ours: Array, theirs: Array, agnostic: bool) -> Reason:
    ranges = [_range(values) for values in (ours, theirs)]
    told = [
        "suppresses none" if low >= 1 else f"suppresses overlaps above {low:.2f} to {high:.2f}"
        for low, high in ranges
    ]
    return Reason(
        f"the reference {told[0]}, the candidate {told[1]}",
        {"iou_threshold": ranges, "class_agnostic": agnostic},
        Evidence("overlap threshold", *ranges),
    )


def _other_classes(ours: Array, theirs: Array, agnostic: bool) -> Reason:
    words = ["class by class", "over all classes"]
    told = words[agnostic], words[not agnostic]
    return Reason(
        f"the reference suppresses {told[0]}, the candidate {told[1]}",
        {
            "class_agnostic": [agnostic, not agnostic],
            "iou_threshold": [_range(ours), _range(theirs)],
        },
        Evidence("suppression", *told),
    )


def _range(values: Array) -> list[float]:
    return [float(values.min()), float(values.max())]


def _scores(union: Table, rules: list[_Rule]) -> Iterator[Reason]:
    """Yield the side that drops boxes of low scores, by a threshold or by their number."""
    for side, rule in zip(("reference", "candidate"), rules, strict=True):
        dropped = union.scores[rule.survivors & (union.scores < rule.least)]
        if not dropped.size:
            continue
        low = float(dropped.max())
        parameters: dict[str, Any] = {"score_threshold": [low, rule.least], "side": side}
        text = f"the {side}'s score threshold lies between {low:.4g} and {rule.least:.4g}"
        if rule.count in _ROUND:
            parameters["max_detections"] = rule.count
            text = f"the {side} keeps the best {rule.count} boxes (or {text})"
        figures = [rule.least, float(dropped.min())]
        evidence = figures if side == "reference" else figures[::-1]
        yield Reason(text, parameters, Evidence("least score", *evidence))


def _several_labels(union: Table, reference: Array, candidate: Array) -> Reason | None:
    """One side gives a box one class, the other the same box with several."""
    for side, few, many in (
        ("candidate", candidate, reference),
        ("reference", reference, candidate),
    ):
        alone = many & ~few
        if not alone.any() or (few & ~many).any() or union.label is None:
            continue
        same = overlaps(union.boxes[alone], union.boxes[few]) >= _EQUAL_BOX
        other = union.labels[alone][:, None] != union.labels[few][None]
        if (same & other).any(1).all():
            words = ("several", "one") if side == "candidate" else ("one", "several")
            return Reason(
                f"the {side} keeps one class for each box, the other side several",
                {"multi_label": [word == "several" for word in words]},
                Evidence("classes for one box", *words),
            )
    return None
