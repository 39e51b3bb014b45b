"""Work through two arrays block by block, in order.

By one thread: a second one gains a third on 16 million elements, and loses as much on one million,
where waking it takes longer than it saves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from divergence.compare.block import BLOCK, Block, Workspace, is_loopable
from divergence.compare.tolerance import Tolerance
from divergence.records import Array

Result = TypeVar("Result")
_WIDE = 8 * BLOCK  # of what needs no conversion: the third-level cache holds it between the loops
_local = threading.local()


def map_blocks(
    reference: Array,
    candidate: Array,
    work: Callable[[Block], Result],
    tolerance: Tolerance | None = None,
) -> list[Result]:
    """Return `work(block)` for every block of two flat arrays of one length, in their order."""
    length = _WIDE if is_loopable(reference) and is_loopable(candidate) else BLOCK
    parts = [slice(start, start + length) for start in range(0, reference.size, length)]
    workspace = _workspace()
    with np.errstate(all="ignore"):  # 0/0, overflow: each metric says what becomes of them
        return [
            work(Block(reference[part], candidate[part], part.start, workspace, tolerance))
            for part in parts
        ]


def _workspace() -> Workspace:
    """Return this thread's workspace."""
    if not hasattr(_local, "workspace"):
        _local.workspace = Workspace()
    workspace: Workspace = _local.workspace
    return workspace
