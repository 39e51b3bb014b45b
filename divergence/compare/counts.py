"""How many positions of two values were found to be what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Positions of a block or of a whole pair, by what was found there.

    mismatched: both are not equal; NaN equals NaN and -0.0 equals 0.0.
    nonfinite: one side alone is NaN or infinite, or both are and differ.
    both_nonfinite: equal and not finite. The other positions are finite on both sides.
    """

    total: int = 0
    mismatched: int = 0
    nonfinite: int = 0
    both_nonfinite: int = 0

    @property
    def finite(self) -> int:
        """Positions that are finite on both sides: the ones that errors are taken over."""
        return self.total - self.nonfinite - self.both_nonfinite

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.total + other.total,
            self.mismatched + other.mismatched,
            self.nonfinite + other.nonfinite,
            self.both_nonfinite + other.both_nonfinite,
        )
