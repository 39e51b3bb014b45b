"""Work through two arrays block by block, in order, on as many threads as help."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

import numpy as np

from divergence.compare.block import BLOCK, Block, Workspace
from divergence.records import Array

RUN = 16  # blocks that a thread takes at a time; starting one pays off from two runs on
THREADS = 4  # more do not help: memory is the bound
Result = TypeVar("Result")
_local = threading.local()


def map_blocks(reference: Array, candidate: Array, work: Callable[[Block], Result]) -> list[Result]:
    """Return `work(block)` for every block of two flat arrays of one length, in their order.

    The blocks are the same whatever the number of threads, and so are the results.
    """

    def run(start: int) -> list[Result]:
        stop, workspace = min(start + RUN * BLOCK, reference.size), _workspace()
        with np.errstate(all="ignore"):  # 0/0, overflow: each metric says what becomes of them
            return [
                work(Block(reference[i : i + BLOCK], candidate[i : i + BLOCK], i, workspace))
                for i in range(start, stop, BLOCK)
            ]

    starts = range(0, reference.size, RUN * BLOCK)
    threads = min(len(starts), THREADS, _processors())
    if threads < 2:
        return list(chain.from_iterable(map(run, starts)))
    with ThreadPoolExecutor(threads) as pool:  # of this call's own, so that a fork is safe
        return list(chain.from_iterable(pool.map(run, starts)))


def _workspace() -> Workspace:
    """Return this thread's workspace."""
    if not hasattr(_local, "workspace"):
        _local.workspace = Workspace()
    workspace: Workspace = _local.workspace
    return workspace


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
