"""A cache-sized stretch of two arrays, with the quantities that several metrics share.

Metrics are bound by memory traffic, not by arithmetic: 192 MB against 192 MB in whole-array
expressions takes many times what it takes in blocks that stay in the second-level cache.
A workspace belongs to one thread and is used again for each block, since fresh memory costs
more (page faults) than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divergence.compare.dtypes import is_integer
from divergence.records import Array

BLOCK = 131_072  # elements: 1 MiB in float64; half and twice as many took longer
Float64 = NDArray[np.float64]
Sum = float | np.longdouble
# What is computed before it is known that all elements are finite.
_SEEN_BEFORE = ("reference64", "candidate64", "error", "reference_squared", "error_squared")


class Workspace:
    """Memory for one thread's blocks, by purpose."""

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.uint64]] = {}

    def array(self, purpose: str, dtype: Any, size: int) -> Array:
        """Return `size` uninitialised elements (at most BLOCK of at most 8 bytes)."""
        buffer = self._buffers.get(purpose)
        if buffer is None:
            buffer = self._buffers[purpose] = np.empty(BLOCK, np.uint64)
        view: Array = buffer.view(dtype)[:size]
        return view


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


class Block:
    """Two flat arrays of the same length (at most BLOCK), reduced to their finite positions.

    reference, candidate: elements in their own types, finite on both sides.
    start: position of the first element in the whole; positions: where the elements came
    from inside the block, None where all are finite.
    """

    def __init__(
        self, reference: Array, candidate: Array, start: int = 0, workspace: Workspace | None = None
    ) -> None:
        self.reference, self.candidate, self.start = reference, candidate, start
        self.positions: NDArray[np.intp] | None = None
        self.first_nonfinite: int | None = None
        self._workspace = workspace or Workspace()
        mismatched = self._mismatched()
        self.counts = Counts(reference.size, mismatched)
        if not np.isfinite(self.reference_squared + self.error_squared):
            self._keep_finite()

    @property
    def equal(self) -> bool:
        """Whether all elements are equal."""
        return self.counts.mismatched == 0

    def scratch(self, purpose: str, dtype: Any) -> Array:
        """Return uninitialised memory, one element for each of the block's."""
        return self._workspace.array(purpose, dtype, self.reference.size)

    @cached_property
    def reference64(self) -> Float64:
        """The reference in float64: exact but for integers beyond 2**53."""
        return self._wide("reference", self.reference)

    @cached_property
    def candidate64(self) -> Float64:
        """The candidate in float64."""
        return self._wide("candidate", self.candidate)

    @cached_property
    def error(self) -> Float64:
        """|reference - candidate|; 64-bit integers are subtracted as such."""
        if self._wide_integers:
            return _integer_distance(self.reference, self.candidate)
        error = self.scratch("error", np.float64)
        np.subtract(self.reference64, self.candidate64, out=error)
        return np.abs(error, out=error)

    @cached_property
    def worst(self) -> int:
        """Position of the greatest error among the finite elements, the first of several."""
        return int(self.error.argmax())

    @cached_property
    def relative(self) -> Array:
        """About error / |reference|: float64 where a side is, else to seven digits in float32.

        NaN where both are zero; inf where the reference alone is, or beyond float32's range.
        """
        narrow = max(self.reference.itemsize, self.candidate.itemsize) <= 4
        dtype = np.dtype(np.float32 if narrow else np.float64)
        relative = self.scratch("relative", dtype)
        np.copyto(relative, self.error, casting="same_kind")
        magnitude = self.reference if self.reference.dtype == dtype else self.reference64
        np.divide(relative, magnitude, out=relative, casting="same_kind")
        return np.abs(relative, out=relative)

    @cached_property
    def reference_squared(self) -> Sum:
        """Sum of the squares of the reference."""
        return dot(self.reference64, self.reference64)

    @cached_property
    def candidate_squared(self) -> Sum:
        """Sum of the squares of the candidate."""
        return self.reference_squared if self.equal else dot(self.candidate64, self.candidate64)

    @cached_property
    def error_squared(self) -> Sum:
        """Sum of the squares of the error."""
        return 0.0 if self.equal else dot(self.error, self.error)

    @cached_property
    def product(self) -> Sum:
        """Sum of reference times candidate."""
        return self.reference_squared if self.equal else dot(self.reference64, self.candidate64)

    def position(self, index: int) -> int:
        """Return where the finite element `index` stands in the whole."""
        return self.start + (index if self.positions is None else int(self.positions[index]))

    @property
    def _wide_integers(self) -> bool:
        types = (self.reference.dtype, self.candidate.dtype)
        return all(map(is_integer, types)) and max(t.itemsize for t in types) == 8

    def _wide(self, purpose: str, values: Array) -> Float64:
        if values.dtype == np.float64:
            return values
        wide = self.scratch(purpose, np.float64)
        np.copyto(wide, values, casting="unsafe")
        return wide

    def _mismatched(self) -> int:
        reference, candidate = self.reference, self.candidate
        if reference.dtype != candidate.dtype and not self._wide_integers:
            reference, candidate = self.reference64, self.candidate64
        flags = np.not_equal(reference, candidate, out=self.scratch("flags", np.bool_))
        return int(np.count_nonzero(flags))

    def _keep_finite(self) -> None:
        """Count what is not finite and go on with the rest."""
        reference, candidate = self.reference64, self.candidate64
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


def dot(first: Float64, second: Float64) -> Sum:
    """Return the sum of products, with more exponent range where float64 leaves its own.

    Squares of float32 and narrower types lie within 1e-90 and 1e77; those of float64 beyond
    1e154 or below 1e-154 are summed again in the platform's widest type. Runs of 8192 stay
    below the length from which a BLAS starts threads of its own.
    """
    runs = range(0, first.size, 8192)
    total = float(sum(np.dot(first[i : i + 8192], second[i : i + 8192]) for i in runs))
    if 1e-290 < abs(total) < 1e290 or not (first.any() and second.any()):
        return total
    wide = np.dot(first.astype(np.longdouble), second.astype(np.longdouble))
    return np.longdouble(wide)


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
