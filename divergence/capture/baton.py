"""Two threads of which one computes at a time: the one that holds the baton."""

from __future__ import annotations

import threading

from divergence.records import Side

OTHER: dict[Side, Side] = {"reference": "candidate", "candidate": "reference"}


class Stopped(BaseException):  # not an Exception: passes a runner's `except Exception`
    """Unwinds a run whose other side failed or was interrupted."""


class Baton:
    """Goes to and fro between both sides; the first failure of either stops both.

    Two models that compute at once would share the processors and their caches, and each
    take more than twice its time.
    """

    def __init__(self, first: Side) -> None:
        self._condition = threading.Condition()
        self._turn = first
        self._finished: set[Side] = set()
        self.failure: BaseException | None = None

    def check(self) -> None:
        """Raise Stopped if a side has failed."""
        if self.failure is not None:
            raise Stopped

    def wait(self, side: Side) -> None:
        """Return when it is this side's turn; raise Stopped if a side has failed."""
        with self._condition:
            self._condition.wait_for(lambda: self._turn == side or self.failure is not None)
        self.check()

    def hand_over(self, side: Side) -> None:
        """Let the other side go on until it hands back, ends or fails."""
        with self._condition:
            self._turn = OTHER[side]
            self._condition.notify_all()
        self.wait(side)

    def finished(self, side: Side) -> bool:
        """Whether this side's run has come to its end."""
        return side in self._finished

    def finish(self, side: Side) -> None:
        """Record the end of a side's run, good or bad, and let the other go on."""
        with self._condition:
            self._finished.add(side)
            self._turn = OTHER[side]
            self._condition.notify_all()

    def wait_finished(self, side: Side) -> None:
        """Return when the side's run has come to its end."""
        with self._condition:
            self._condition.wait_for(lambda: side in self._finished)

    def fail(self, error: BaseException) -> None:
        """Stop both sides; what follows from the first failure is not recorded."""
        with self._condition:
            if self.failure is None:
                self.failure = error
            self._condition.notify_all()
