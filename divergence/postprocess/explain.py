"""How two final outputs differ, and what turns one into the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np

from divergence.errors import InputError
from divergence.postprocess import boxes, layout, link, order, survivors
from divergence.postprocess.relation import Relation, agree, distance
from divergence.preparation.explain import read_tensors
from divergence.records import Array, Finding, Proof

# One family of causes a module; the more specific come first.
FAMILIES: Final[tuple[ModuleType, ...]] = (layout, order, link, boxes, survivors)
# How many changes may lie between the two at once.
DEPTH: Final = 2


def explain_outputs(
    reference: Array | Path | str | Mapping[str, Any],
    candidate: Array | Path | str | Mapping[str, Any],
) -> list[Finding]:
    """Return what differs between two final outputs; empty where they agree or nothing explains.

    reference, candidate: arrays, tensors, paths of .npy or .npz files, or mappings of names to
    arrays. Detections are tables with a row x1 y1 x2 y2, score, class each; a mapping with
    `boxes`, `scores` and `labels` is joined to one.

    Raises:
        InputError: a file cannot be read, or one side has names and the other has none.

    >>> scores = np.array([[2.0, -1.0, 0.5]])
    >>> [f.cause for f in explain_outputs(scores, 1 / (1 + np.exp(-scores)))]
    ['postprocess.activation']
    """
    ours, theirs = read_tensors(reference), read_tensors(candidate)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return _named(ours, theirs)
    if isinstance(ours, Mapping) or isinstance(theirs, Mapping):
        raise InputError(
            "One side has named outputs and the other a single array; give both alike."
        )
    return explain(ours, theirs)


def explain(reference: Array, candidate: Array) -> list[Finding]:
    """Explain the difference of two arrays: the shortest chain of changes that removes it."""
    if agree(reference, candidate):
        return []
    chains: list[tuple[tuple[Relation, ...], Array, Array]] = [((), reference, candidate)]
    for _ in range(DEPTH):
        longer = []
        for done, ours, theirs in chains:
            for relation in _relations(ours, theirs):
                changed = _applied(relation, ours, theirs)
                if changed is None:
                    continue
                if agree(*changed) and changed[0].size:
                    return _findings((*done, relation), reference, candidate)
                longer.append(((*done, relation), *changed))
        chains = longer
    return []


def _relations(reference: Array, candidate: Array) -> list[Relation]:
    return [r for family in FAMILIES for r in family.relations(reference, candidate)]


def _applied(relation: Relation, ours: Array, theirs: Array) -> tuple[Array, Array] | None:
    """Return both sides changed; None where a change does not apply or changes nothing."""
    try:
        with np.errstate(all="ignore"):
            changed = relation.on_reference(ours), relation.on_candidate(theirs)
    except (ValueError, IndexError):
        return None
    return changed


def _findings(chain: Sequence[Relation], reference: Array, candidate: Array) -> list[Finding]:
    """Return a finding for each change, with the error before and after it."""
    findings = []
    ours, theirs = reference, candidate
    for relation in chain:
        before = distance(ours, theirs)
        ours, theirs = relation.on_reference(ours), relation.on_candidate(theirs)
        findings.append(
            Finding(
                cause=relation.cause,
                culprit=None,
                confidence=0.97 if len(chain) == 1 else 0.9,
                explanation=relation.explanation,
                evidence=relation.evidence,
                remedy=relation.remedy,
                parameters=relation.parameters,
                proof=Proof(relation.action, before, distance(ours, theirs)),
            )
        )
    return findings


def _named(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> list[Finding]:
    detections = _joined(ours), _joined(theirs)
    if detections[0] is not None and detections[1] is not None:
        return explain(detections[0], detections[1])
    shared = [name for name in ours if name in theirs]
    if not shared:
        raise InputError(
            f"No output has the same name on both sides: {', '.join(ours)} against "
            f"{', '.join(theirs)}; give arrays, or the same names."
        )
    return [finding for name in shared for finding in explain(ours[name], theirs[name])]


def _joined(named: Mapping[str, Array]) -> Array | None:
    """Return detections as one table, None where the names are others."""
    if not {"boxes", "scores"} <= set(named):
        return None
    table = named["boxes"].reshape(-1, 4)
    columns = [table, named["scores"].reshape(-1, 1)]
    if "labels" in named:
        columns.append(named["labels"].reshape(-1, 1))
    return np.concatenate([column.astype(np.float64) for column in columns], axis=1)
