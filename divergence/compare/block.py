"""A stretch of two arrays, with the quantities that several metrics share.

What has to be converted is converted in a workspace, which belongs to one thread and is used again
for each block, since fresh memory costs more (page faults) than the arithmetic.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from divergence.compare import compiled
from divergence.compare.counts import Counts
from divergence.compare.dtypes import is_integer
from divergence.compare.tolerance import RTOLS, Tolerance
from divergence.records import Array

BLOCK = 131_072  # elements that are converted at a time: 1 MiB of two float32 arrays
Float64 = NDArray[np.float64]
Sum = float | np.longdouble
Operands = tuple[Array, Array, Float64 | None]
# What is computed before it is known that all elements are finite.
_SEEN_BEFORE = ("operands", "_sums", "reference_squared", "error_squared")
_NO_TOLERANCE = Tolerance(rtol=0.0, atol=np.inf)


class Workspace:
    """Memory for one thread's blocks, by purpose."""

    def __init__(self) -> None:
        self._buffers: dict[str, Float64] = {}

    def array(self, purpose: str, size: int) -> Float64:
        """Return `size` uninitialised elements, at most BLOCK."""
        if purpose not in self._buffers:
            self._buffers[purpose] = np.empty(BLOCK)
        return self._buffers[purpose][:size]


class Sums(NamedTuple):
    """What one pass finds: sums of r^2, c^2, e^2, r c and e, the greatest e, how many r != c.

    place: the greatest error is behind it, not far.
    """

    reference_squared: float
    candidate_squared: float
    error_squared: float
    product: float
    error: float
    greatest: float
    mismatched: int
    place: int


class Relations(NamedTuple):
    """What another pass finds, of errors against the reference's magnitude.

    greatest: NaN where the reference is zero everywhere. violations: of the tolerance.
    needed_atol: the least with which all pass, at each of `RTOLS`.
    """

    greatest: float
    violations: int
    needed_atol: tuple[float, ...]


class Block:
    """Two flat arrays of the same length, reduced to their finite positions.

    Where one of them is not `is_loopable`, at most BLOCK elements.
    reference, candidate: elements in their own types, finite on both sides.
    start: position of the first element in the whole; positions: where the elements came
    from inside the block, None where all are finite. tolerance: what violations are counted of.
    """

    def __init__(
        self,
        reference: Array,
        candidate: Array,
        start: int = 0,
        workspace: Workspace | None = None,
        tolerance: Tolerance | None = None,
    ) -> None:
        self.reference, self.candidate, self.start = reference, candidate, start
        self.positions: NDArray[np.intp] | None = None
        self.first_nonfinite: int | None = None
        self._workspace = workspace or Workspace()
        self._tolerance = tolerance or _NO_TOLERANCE
        self.counts = Counts(reference.size, self._mismatched())
        if not np.isfinite(self.reference_squared + self.error_squared):
            self._keep_finite()

    @property
    def equal(self) -> bool:
        """Whether all elements are equal."""
        return self.counts.mismatched == 0

    @cached_property
    def operands(self) -> Operands:
        """Both sides as the compiled loops take them, and the errors of 64-bit integers.

        float32 and float64 as they are, all else in float64: exact but for integers beyond 2**53.
        """
        errors = None
        if self._wide_integers:
            errors = _integer_distance(self.reference, self.candidate)
        return (
            self._loopable("reference", self.reference),
            self._loopable("candidate", self.candidate),
            errors,
        )

    @property
    def greatest(self) -> float:
        """The greatest |reference - candidate|; 64-bit integers are subtracted as such."""
        return self._sums.greatest

    @property
    def total(self) -> float:
        """The sum of the errors."""
        return self._sums.error

    @cached_property
    def worst(self) -> int:
        """Position of the greatest error in the whole, the first of several."""
        index = int(compiled.first_of(*self.operands, self._sums.place, self.greatest))
        return self.start + (index if self.positions is None else int(self.positions[index]))

    @cached_property
    def relations(self) -> Relations:
        """The errors against the reference's magnitude."""
        allowed = self._tolerance
        found = compiled.relations(*self.operands, allowed.rtol, allowed.atol, RTOLS)
        greatest, violations, *needed = found
        return Relations(greatest, violations, tuple(needed))

    @property
    def peak(self) -> float:
        """The greatest magnitude of the reference."""
        return float(compiled.greatest_magnitude(self.operands[0]))

    @cached_property
    def reference_squared(self) -> Sum:
        """Sum of the squares of the reference."""
        return _sum(self._sums.reference_squared, self.operands[0], self.operands[0])

    @cached_property
    def candidate_squared(self) -> Sum:
        """Sum of the squares of the candidate."""
        return _sum(self._sums.candidate_squared, self.operands[1], self.operands[1])

    @cached_property
    def error_squared(self) -> Sum:
        """Sum of the squares of the errors."""
        if self.equal or 1e-290 < self._sums.error_squared < 1e290:
            return self._sums.error_squared
        reference, candidate, errors = self.operands
        if errors is None:
            errors = np.subtract(reference, candidate, dtype=np.float64)
        return _sum(self._sums.error_squared, errors, errors)

    @cached_property
    def product(self) -> Sum:
        """Sum of reference times candidate."""
        return _sum(self._sums.product, *self.operands[:2])

    @cached_property
    def _sums(self) -> Sums:
        return Sums(*compiled.sums(*self.operands))

    @property
    def _wide_integers(self) -> bool:
        types = (self.reference.dtype, self.candidate.dtype)
        return all(map(is_integer, types)) and max(t.itemsize for t in types) == 8

    def _loopable(self, purpose: str, values: Array) -> Array:
        """Return the values for the loops, not to be written: each kind of array is compiled."""
        if not is_loopable(values):
            wide = self._workspace.array(purpose, values.size)
            np.copyto(wide, values, casting="unsafe")
            values = wide
        values = values.view()
        values.flags.writeable = False
        return values

    def _mismatched(self) -> int:
        if self._wide_integers:
            return int(np.count_nonzero(self.reference != self.candidate))
        return self._sums.mismatched

    def _keep_finite(self) -> None:
        """Count what is not finite and go on with the rest."""
        reference, candidate, _ = self.operands
        finite = np.isfinite(reference) & np.isfinite(candidate)
        same = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
        apart = np.flatnonzero(~finite & ~same)
        if apart.size:
            self.first_nonfinite = self.start + int(apart[0])
        self.counts = Counts(
            total=finite.size,
            mismatched=int(np.count_nonzero(~same)),
            nonfinite=apart.size,
            both_nonfinite=int(np.count_nonzero(~finite & same)),
        )
        self.positions = np.flatnonzero(finite)
        self.reference, self.candidate = self.reference[finite], self.candidate[finite]
        for quantity in _SEEN_BEFORE:
            self.__dict__.pop(quantity, None)


def is_loopable(values: Array) -> bool:
    """Whether the compiled loops take an array as it is."""
    return values.dtype in (np.float32, np.float64) and values.flags.aligned


def _sum(total: float, first: Array, second: Array) -> Sum:
    """Return a sum of products, with more exponent range where float64 leaves its own.

    Squares of float32 and narrower types lie within 1e-90 and 1e77; those of float64 beyond
    1e154 or below 1e-154 are summed again in the platform's widest type.
    """
    if 1e-290 < abs(total) < 1e290 or not (first.any() and second.any()):
        return total
    return np.longdouble(np.dot(first.astype(np.longdouble), second.astype(np.longdouble)))


def _integer_distance(reference: Array, candidate: Array) -> Float64:
    """Return |reference - candidate| of 64-bit integers, subtracted without rounding."""
    if (reference.dtype == np.uint64) != (candidate.dtype == np.uint64):
        exact = reference.astype(object) - candidate.astype(object)  # no common integer type
        apart: Float64 = np.abs(exact).astype(np.float64)
        return apart
    wide = np.promote_types(reference.dtype, candidate.dtype)
    reference, candidate = reference.astype(wide), candidate.astype(wide)
    low, high = np.minimum(reference, candidate), np.maximum(reference, candidate)
    distance: Float64 = (high.view(np.uint64) - low.view(np.uint64)).astype(np.float64)
    return distance
