"""What the module of a resizing library offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from divergence.records import Array


class Library(Protocol):
    """One library; a module fulfils this."""

    @property
    def ANTIALIAS(self) -> Mapping[str, tuple[bool, ...]]:  # noqa: N802  # a module constant
        """Kernel names, each with the values of `antialias` it can do, the default first."""

    def resample(
        self,
        values: Array,
        size: tuple[int, int],
        kernel: str,
        antialias: bool,
        align_corners: bool,
    ) -> Array:
        """Resize H, W, C to `size` (height, width)."""
