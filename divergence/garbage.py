"""A collection of garbage looks at what a run makes, not at all that was there before it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_AT_START = 1_000  # CPython 3.12 itself begins with some hundred frozen objects


@contextmanager
def spared() -> Iterator[None]:
    """Leave the objects that exist now out of collections inside.

    A process that has imported torch holds a million of them, and to go through those takes a
    quarter of a second, as long as a run of the model. Nothing is done where the caller has
    frozen objects already.
    """
    if gc.get_freeze_count() > _AT_START:
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
