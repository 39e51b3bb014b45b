"""Work that another thread does meanwhile: ONNX Runtime makes sessions without Python's lock."""

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
