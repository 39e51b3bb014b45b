"""How long each step of a trace took, and telling the user where it stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from divergence.progress import Progress


class Clock:
    """Times the steps of a run; `seconds` is what `timing` of the report shows."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[None]:
        """Time one step, which may come in several parts."""
        self._progress.stage(name, total)
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def advance(self) -> None:
        """Say that one more thing of the step is done."""
        self._progress.advance()
