"""Errors that a user can act on: one sentence that says what, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class DivergenceError(Exception):
    """Base of all errors that this package raises on purpose. The command exits with 2."""


class OptionError(DivergenceError):
    """An option is wrong, or contradicts another."""


class LoadError(DivergenceError):
    """A model or an ONNX file cannot be loaded as asked."""


class InputError(DivergenceError):
    """An input does not fit the model, or cannot be read."""


class SpecError(DivergenceError):
    """A preparation, a list of pairs or another document of the user's is wrong."""


class CaptureError(DivergenceError):
    """A model fails while it runs."""


class OutputError(DivergenceError):
    """The result cannot be written."""


class Interrupted(KeyboardInterrupt):
    """A trace was interrupted; `report` holds what was measured so far, marked partial."""

    def __init__(self, report: Any) -> None:
        super().__init__("interrupted")
        self.report = report


class SetInterrupted(KeyboardInterrupt):
    """A run over many inputs was interrupted; the message says what is kept, and where."""


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Return ` Did you mean a, b or c?`, or "" where nothing is near.

    >>> nearest("resise", ["resize", "crop"])
    ' Did you mean resize?'
    """
    close = get_close_matches(word, list(dict.fromkeys(known)), n=count, cutoff=0.6)
    if not close:
        return ""
    head, last = ", ".join(close[:-1]), close[-1]
    return f" Did you mean {head} or {last}?" if head else f" Did you mean {last}?"
