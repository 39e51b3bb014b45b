"""Borders: strips at the sides of a tensor in which nothing changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divergence.records import Array

# Rows count as equal when they differ by less than this share of the tensor's spread: a border
# that went through JPEG compression is not quite flat.
_EQUAL = 0.01


@dataclass(frozen=True, slots=True)
class Box:
    """A window of rows and columns: top and left inside, bottom and right outside."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def shrunk(self, margin: int, within: tuple[int, int]) -> Box:
        """Return the box without a margin on the sides that are not the picture's own."""
        rows, columns = within
        top = self.top + margin if self.top > 0 else 0
        left = self.left + margin if self.left > 0 else 0
        bottom = self.bottom - margin if self.bottom < rows else rows
        right = self.right - margin if self.right < columns else columns
        return Box(top, left, max(bottom, top + 1), max(right, left + 1))

    def of(self, planes: Array) -> Array:
        """Return the window of planes (..., H, W)."""
        return planes[..., self.top : self.bottom, self.left : self.right]

    def outside(self, rows: int, columns: int) -> Array:
        """Return a boolean mask (H, W), true outside the box."""
        mask = np.ones((rows, columns), dtype=bool)
        self.of(mask)[...] = False
        return mask


def content_box(planes: Array) -> Box:
    """Return the window of (C, H, W) that is left when strips of equal rows and columns go.

    The whole picture where nothing would be left. A strip in which the outermost pixels are
    repeated counts as a border, all but its innermost row.
    """
    rows, columns = planes.shape[-2:]
    bound = _EQUAL * max(float(np.ptp(planes)), 1e-12)
    top = _run(planes, bound)
    bottom = rows - _run(planes[:, ::-1], bound)
    turned = np.swapaxes(planes, 1, 2)
    left = _run(turned, bound)
    right = columns - _run(turned[:, ::-1], bound)
    if bottom - top < rows // 8 or right - left < columns // 8:
        return Box(0, 0, rows, columns)
    return Box(top, left, bottom, right)


def _run(planes: Array, bound: float) -> int:
    """Return how many rows from the first on are equal to the next, and flat if constant."""
    change = np.abs(np.diff(planes, axis=1)).max(axis=(0, 2))
    moving = np.flatnonzero(change > bound)
    equal = int(moving[0]) if moving.size else 0
    if equal == 0:
        return 0
    first = planes[:, 0]
    flat = float(np.ptp(first, axis=1).max()) <= bound
    # A flat strip ends where the change is; of repeated rows the last is the picture's own.
    return equal + 1 if flat else equal
