"""What may lie between two final outputs: a change of one side that makes it the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from divergence.records import Array, Evidence

Change = Callable[[Array], Array]


def same(value: Array) -> Array:
    """Return the value itself: the side that a relation leaves as it is."""
    return value


@dataclass(frozen=True, slots=True)
class Relation:
    """A cause that would explain the difference: both sides agree after these changes.

    on_reference, on_candidate: what is done to each side. action: that in words.
    """

    cause: str
    explanation: str
    action: str
    on_reference: Change = same
    on_candidate: Change = same
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
