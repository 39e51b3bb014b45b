"""What may lie between two final outputs: a change of one side that makes it the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divergence.diagnose.distance import distance
from divergence.postprocess.residual import residual
from divergence.records import Array, Evidence, Proof

Change = Callable[[Array], Array]


def same(value: Array) -> Array:
    """Return the value itself: the side that a relation leaves as it is."""
    return value


@dataclass(frozen=True, slots=True)
class Relation:
    """A cause that would explain the difference: both sides agree after these changes.

    on_reference, on_candidate: what is done to each side. action: that in words.
    of_labels: what both hold then are labels, which are right or wrong, not near or far.
    plain: its numbers are ones that people write, so that a small difference is no accident.
    proof: where something else than the distance of both sides shows it.
    """

    cause: str
    explanation: str
    action: str
    on_reference: Change = same
    on_candidate: Change = same
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    of_labels: bool = False
    plain: bool = False
    proof: Proof | None = None

    def left(self, reference: Array, candidate: Array) -> float:
        """Return what lies between both sides once changed, as a share of the scale."""
        if not self.of_labels:
            return residual(reference, candidate)
        alike = reference.shape == candidate.shape and reference.size
        return float(np.mean(reference != candidate)) if alike else float("inf")

    def error(self, reference: Array, candidate: Array) -> float:
        """Return the greatest distance of both sides; of labels, how many differ."""
        if self.of_labels and reference.shape == candidate.shape:
            return float(np.count_nonzero(reference != candidate))
        return distance(reference, candidate)
