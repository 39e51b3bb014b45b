"""What a strategy says: these two contents may be one, with this weight, for this reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hint:
    """Two nodes that may hold the same content.

    strength: in natural logarithms of odds, added to what other strategies say; 3 is about
    twenty to one. reason: what users read as `paired_by`.
    """

    reference: int
    candidate: int
    strength: float
    reason: str
