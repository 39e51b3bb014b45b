"""postprocess.nms: other boxes survive: thresholds, class handling, greatest number, clipping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from divergence.postprocess.clipping import clipped
from divergence.postprocess.frames import Pairs, in_one_frame
from divergence.postprocess.relation import Change, Relation
from divergence.postprocess.residual import ROUNDING, residual
from divergence.postprocess.rules import reasons
from divergence.postprocess.tables import Table, as_tables
from divergence.records import Array, Evidence

CAUSE = "postprocess.nms"

# Two detections are the same where scores and corners are this near: a share of 1, of the
# box's own sides, and of the greatest coordinate.
_SCORE, _SIDE, _PLACE = 0.03, 0.03, 3e-3
# By the score alone they are where it agrees this well: about what float16 leaves of it.
_SAME_SCORE = 4e-3
_MOST_ROWS = 5000
# Other survivors are explained only where the sides still have something in common.
_SHARED = 0.2


def relations(reference: Array, candidate: Array) -> Iterator[Relation]:
    """Yield what makes the survivors differ, for tables of one detection a row."""
    tables = as_tables(reference, candidate)
    if tables is None or max(len(table.rows) for table in tables) > _MOST_ROWS:
        return
    ours, theirs = tables
    clips = list(clipped(ours, theirs)) if ours.has_corners and theirs.has_corners else []
    yield from clips
    if any(_more_in_common(ours, theirs, clip) for clip in clips):
        return  # clipped alike first, more of them are the same
    for first, second, common in _common(ours, theirs):
        if len(common) < _SHARED * min(len(ours.rows), len(theirs.rows)):
            continue
        alone = len(ours.rows) - len(common), len(theirs.rows) - len(common)
        if any(alone):
            yield _relation(first, second, common)


def _common(ours: Table, theirs: Table) -> Iterator[tuple[Table, Table, Pairs]]:
    """Yield the detections that both sides have: as they are, in other units, of other labels.

    With them come both tables, in the same units and form.
    """
    yield ours, theirs, _matched(ours, theirs, _same_boxes(ours, theirs))
    yield in_one_frame(ours, theirs, _matched(ours, theirs, _same_scores(ours, theirs)))
    unlabelled = replace(ours, label=None), replace(theirs, label=None)
    yield ours, theirs, _matched(*unlabelled, _same_boxes(*unlabelled))


def _more_in_common(ours: Table, theirs: Table, clip: Relation) -> bool:
    """Whether more boxes are the same once both sides are clipped."""
    first = replace(ours, rows=clip.on_reference(ours.rows))
    second = replace(theirs, rows=clip.on_candidate(theirs.rows))
    before, after = _same_boxes(ours, theirs), _same_boxes(first, second)
    return len(_matched(first, second, after)) > len(_matched(ours, theirs, before))


def _same_boxes(ours: Table, theirs: Table) -> Array:
    """Return how far each detection of one side is from each of the other; inf where another."""
    a, b = ours.boxes[:, None], theirs.boxes[None]
    apart = np.abs(a - b)
    sides = np.tile((a[..., 2:] - a[..., :2]).clip(0), 2)
    allowed = _SIDE * sides + _PLACE * max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        far = np.nan_to_num((apart / np.maximum(allowed, 1e-12)).max(2), nan=np.inf)
    scores = np.abs(ours.scores[:, None] - theirs.scores[None]) / _SCORE
    other = ours.labels[:, None] != theirs.labels[None]
    return np.where((far <= 1) & (scores <= 1) & ~other, far + scores, np.inf)


def _same_scores(ours: Table, theirs: Table) -> Array:
    """The same by score and label alone: the boxes may be in other units."""
    apart = np.abs(ours.scores[:, None] - theirs.scores[None])
    near = apart <= _SAME_SCORE * ours.scores[:, None]
    other = ours.labels[:, None] != theirs.labels[None]
    return np.where(near & ~other, apart, np.inf)


def _matched(ours: Table, theirs: Table, apart: Array) -> list[tuple[int, int]]:
    """Pair rows, the nearest first, each once."""
    rows, columns = np.nonzero(np.isfinite(apart))
    nearest = np.argsort(apart[rows, columns], kind="stable")
    left, right = np.ones(len(ours.rows), bool), np.ones(len(theirs.rows), bool)
    pairs = []
    for i, j in zip(rows[nearest].tolist(), columns[nearest].tolist(), strict=True):
        if left[i] and right[j]:
            left[i] = right[j] = False
            pairs.append((i, j))
    return sorted(pairs)


def _relation(ours: Table, theirs: Table, common: Sequence[tuple[int, int]]) -> Relation:
    first, second = [i for i, _ in common], [j for _, j in common]
    union, in_ours, in_theirs = _union(ours, theirs, first, second)
    lost, extra = int((~in_theirs).sum()), int((~in_ours).sum())
    rounded = residual(ours.rows[first], theirs.rows[second]) > ROUNDING
    why, proof = reasons(union, in_ours, in_theirs, rounded=rounded)
    parameters: dict[str, Any] = {
        "both": len(common),
        "reference_only": lost,
        "candidate_only": extra,
    }
    for found in why:
        parameters |= found.parameters
    told = "".join(f"; {found.explanation}" for found in why)
    return Relation(
        CAUSE,
        f"{lost} boxes survive in the reference alone and {extra} in the candidate "
        f"alone, {len(common)} in both{told}",
        "compare the boxes that both sides keep",
        on_reference=_picked(first),
        on_candidate=_picked(second),
        evidence=(
            Evidence("boxes that survive", len(ours.rows), len(theirs.rows)),
            *(found.evidence for found in why),
        ),
        remedy="Give both sides the same thresholds, class handling and clipping.",
        parameters=parameters,
        proof=proof,
    )


def _union(
    ours: Table, theirs: Table, first: Sequence[int], second: Sequence[int]
) -> tuple[Table, Array, Array]:
    """Return all rows, each once, and which of them each side keeps."""
    alone = np.setdiff1d(np.arange(len(theirs.rows)), second)
    union = replace(ours, rows=np.concatenate([ours.rows, theirs.rows[alone]]))
    in_ours = np.arange(len(union.rows)) < len(ours.rows)
    in_theirs = ~in_ours
    in_theirs[list(first)] = True
    return union, in_ours, in_theirs


def _picked(rows: Sequence[int]) -> Change:
    return lambda value: value.reshape(value.shape[-2:])[list(rows)]
