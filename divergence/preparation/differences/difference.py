"""What a detector of a difference returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from divergence.preparation.inference.recipe import Recipe
from divergence.records import Evidence


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the candidate's preparation does otherwise.

    parameters: what the candidate does, in the words of a SPEC.
    undone: the candidate's recipe with this one thing done as the reference does it.
    of_shape: a matter of shape: values may be the same without it.
    """

    cause: str
    parameters: Mapping[str, Any]
    evidence: tuple[Evidence, ...]
    explanation: str
    remedy: str
    undone: Recipe
    of_shape: bool = False
