"""How two final outputs differ, and what turns one into the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergence.diagnose.distance import distance
from divergence.errors import InputError
from divergence.postprocess.joined import joined
from divergence.postprocess.names import in_our_order
from divergence.postprocess.proof import proof
from divergence.postprocess.relation import Relation
from divergence.postprocess.residual import SAME, residual
from divergence.postprocess.search import search
from divergence.postprocess.ties import explain_ties
from divergence.preparation.explain import read_tensors
from divergence.records import Array, Finding

Output = Any  # an array, a torch tensor, or the path of a .npy or .npz file


@dataclass(frozen=True, slots=True)
class Explanation:
    """How two outputs differ.

    findings: what turns the reference's output into the candidate's, in order of application.
    same: the outputs agree, up to the rounding of a float16 file. explained: the findings leave
    no more than that. distance: greatest absolute difference; inf where shapes differ.
    """

    findings: tuple[Finding, ...]
    same: bool
    explained: bool
    distance: float

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        if self.same:
            return "The outputs agree."
        if self.explained:
            causes = " and ".join(dict.fromkeys(found.cause for found in self.findings))
            return f"The outputs differ by {causes}."
        found = "only in part" if self.findings else "not"
        size = f"by {self.distance:.3g} at most" if np.isfinite(self.distance) else "in shape"
        return f"The outputs differ {size}, and the difference is {found} explained."


def explain_outputs(
    reference: Output | Mapping[str, Output], candidate: Output | Mapping[str, Output]
) -> list[Finding]:
    """Return what differs between two final outputs; empty where they agree or nothing explains.

    reference, candidate: arrays, tensors, paths of .npy or .npz files, or mappings of names to
    them. Detections are tables with a row x1 y1 x2 y2, score, class each; a mapping with
    `boxes`, `scores` and `labels` is joined to one. `explain` tells "agree" from "not explained".

    Raises:
        InputError: a file cannot be read, or one side has names and the other has none.

    >>> scores = np.array([[2.0, -1.0, 0.5]])
    >>> [f.cause for f in explain_outputs(scores, 1 / (1 + np.exp(-scores)))]
    ['postprocess.activation']
    """
    return list(explain(reference, candidate).findings)


def explain(
    reference: Output | Mapping[str, Output], candidate: Output | Mapping[str, Output]
) -> Explanation:
    """Return the whole explanation; see `explain_outputs`."""
    ours, theirs = read_tensors(reference), read_tensors(candidate)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return _named(ours, theirs)
    if isinstance(ours, Mapping) or isinstance(theirs, Mapping):
        raise InputError(
            "One side has named outputs and the other a single array; give both alike."
        )
    return _explain_one(ours, theirs)


def _explain_one(reference: Array, candidate: Array) -> Explanation:
    """Explain the difference of two arrays: the shortest chain of changes that removes it."""
    found = search(reference, candidate)
    same = not found.relations and residual(reference, candidate) <= SAME
    return Explanation(
        _findings(found.relations, reference, candidate),
        same=same,
        explained=same or bool(found.relations),
        distance=distance(reference, candidate),
    )


def _findings(chain: Sequence[Relation], reference: Array, candidate: Array) -> tuple[Finding, ...]:
    """Return a finding for each change, with the error without it and with it."""
    return tuple(
        Finding(
            cause=relation.cause,
            culprit=None,
            confidence=0.97 if len(chain) == 1 else 0.9,
            explanation=relation.explanation,
            evidence=relation.evidence,
            remedy=relation.remedy,
            parameters=relation.parameters,
            proof=relation.proof or proof(chain, place, reference, candidate),
        )
        for place, relation in enumerate(chain)
    )


def _named(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> Explanation:
    detections = joined(ours), joined(theirs)
    if detections[0] is not None and detections[1] is not None:
        return _explain_one(detections[0], detections[1])
    theirs, exchange = in_our_order(ours, theirs)
    each = [_one_of(ours, theirs, name) for name in theirs]
    return Explanation(
        (*exchange, *(finding for one in each for finding in one.findings)),
        same=not exchange and all(one.same for one in each),
        explained=all(one.explained for one in each),
        distance=max(one.distance for one in each),
    )


def _one_of(ours: Mapping[str, Array], theirs: Mapping[str, Array], name: str) -> Explanation:
    shared = {key: ours[key] for key in theirs}
    tie = explain_ties(shared, theirs, name)
    if tie is None:
        return _explain_one(ours[name], theirs[name])
    apart = distance(ours[name], theirs[name])
    return Explanation((tie,), same=False, explained=True, distance=apart)
