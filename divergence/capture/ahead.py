"""Work in Python that another thread does while ONNX Runtime makes a session, without the lock.

Not the other way round: what a thread allocates lies in memory of its own, and a session whose
weights are put into fresh pages takes two to three times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")


def ahead(work: Callable[[], Made]) -> Future[Made]:
    """Start `work`; its result, or what it raises, comes out of `result()`."""
    executor = ThreadPoolExecutor(1, "divergence-ahead")
    try:
        return executor.submit(work)
    finally:
        executor.shutdown(wait=False)
