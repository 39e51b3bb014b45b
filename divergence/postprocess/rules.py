"""By which rules each side chose its boxes: recovered by running them on all that either keeps.

A box that suppression removes was removed by one that stays. So a side's rule, run on the union
of what both sides keep, gives exactly what that side keeps, and other rules do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.postprocess.choices import Choice, Rule, choose, middle, recover
from divergence.postprocess.tables import Table, overlaps
from divergence.records import Array, Evidence, Proof

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


def reasons(
    union: Table, reference: Array, candidate: Array, *, rounded: bool
) -> tuple[tuple[Reason, ...], Proof | None]:
    """Return in which rules the sides differ, as far as that can be told, and what shows it.

    union: rows that either side keeps. reference, candidate: which of them each keeps. rounded:
    those that both keep are not quite equal.
    """
    if len(union.rows) > _MOST_ROWS or not reference.any() or not candidate.any():
        return (), None
    labels = _several_labels(union, reference, candidate)
    if labels is not None:
        return (labels,), None
    apart = overlaps(union.boxes, union.boxes)
    rules = (
        recover(union, apart, reference, rounded=rounded),
        recover(union, apart, candidate, rounded=rounded),
    )
    choice = choose(*rules)
    if choice is None:
        survivors = [np.ones(len(union.rows), dtype=bool)] * 2
        return tuple(_scores(union, rules, survivors)), None
    survivors = [middle(rule, choice, side) for side, rule in enumerate(rules)]
    found = (_other_classes if choice.agnostic[0] != choice.agnostic[1] else _other_threshold)(
        choice
    )
    why = (*([found] if choice.differs else []), *_scores(union, rules, survivors))
    proof = _proof(union, rules, survivors)
    return why, proof if why and proof.error_after < proof.error_before else None


def _proof(union: Table, rules: tuple[Rule, Rule], survivors: list[Array]) -> Proof:
    """Say how many of the candidate's boxes the reference's rule and its own tell wrongly."""
    kept = [
        survived & (union.scores >= rule.least)
        for rule, survived in zip(rules, survivors, strict=True)
    ]
    wrong = [float(np.count_nonzero(rules[1].kept != one)) for one in kept]
    return Proof(
        "choose among all boxes by the candidate's rules (after) instead of by the reference's "
        "(before), and count those that the candidate has otherwise",
        wrong[0],
        wrong[1],
    )


def _other_threshold(choice: Choice) -> Reason:
    ranges = [_range(values) for values in choice.at]
    told = [
        "suppresses none" if low >= 1 else f"suppresses overlaps above {low:.2f} to {high:.2f}"
        for low, high in ranges
    ]
    return Reason(
        f"the reference {told[0]}, the candidate {told[1]}",
        {"iou_threshold": ranges, "class_agnostic": choice.agnostic[0]},
        Evidence("overlap threshold", *ranges),
    )


def _other_classes(choice: Choice) -> Reason:
    words = ["class by class", "over all classes"]
    told = [words[agnostic] for agnostic in choice.agnostic]
    return Reason(
        f"the reference suppresses {told[0]}, the candidate {told[1]}",
        {
            "class_agnostic": list(choice.agnostic),
            "iou_threshold": [_range(values) for values in choice.at],
        },
        Evidence("suppression", *told),
    )


def _range(values: Array) -> list[float]:
    return [float(values.min()), float(values.max())]


def _scores(union: Table, rules: tuple[Rule, Rule], survivors: list[Array]) -> Iterator[Reason]:
    """Yield the side that drops boxes of low scores, by a threshold or by their number."""
    for side, rule, survived in zip(("reference", "candidate"), rules, survivors, strict=True):
        dropped = union.scores[survived & (union.scores < rule.least)]
        if not dropped.size:
            continue
        low, count = float(dropped.max()), int(rule.kept.sum())
        parameters: dict[str, Any] = {"score_threshold": [low, rule.least], "side": side}
        text = f"the {side}'s score threshold lies between {low:.4g} and {rule.least:.4g}"
        if count in _ROUND:
            parameters["max_detections"] = count
            text = f"the {side} keeps the best {count} boxes (or {text})"
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
