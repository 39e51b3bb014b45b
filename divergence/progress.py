"""How a long run tells where it stands: what a terminal, a notebook or nothing at all may hear."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears of each stage of a run, and of each thing done in it."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage, which ends the one before. total: how many things it does, if known."""

    def advance(self, count: int = 1) -> None:
        """Say that `count` more things of this stage are done."""


class Silent:
    """Progress that nobody listens to."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Say nothing."""

    def advance(self, count: int = 1) -> None:
        """Say nothing."""
