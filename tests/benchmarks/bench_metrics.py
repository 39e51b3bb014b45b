"""All metrics of one large pair: in blocks by compiled loops, and as whole arrays.

    python -m tests.benchmarks.bench_metrics [MEGABYTES]

Every way in turn, several rounds; medians, and their ratio to the blocks.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from divergence.compare.measure import measure
from divergence.compare.tolerance import Tolerance

Way = Callable[[np.ndarray, np.ndarray], Any]
ROUNDS = 5


def in_blocks(reference: np.ndarray, candidate: np.ndarray) -> float:
    return measure(reference, candidate).max_abs


def in_blocks_with_tolerance(reference: np.ndarray, candidate: np.ndarray) -> float:
    return measure(reference, candidate, tolerance=Tolerance(1.3e-6, 1e-7)).max_abs


def equal_in_blocks(reference: np.ndarray, candidate: np.ndarray) -> float:
    return measure(reference, reference).max_abs


def by_numpy(reference: np.ndarray, candidate: np.ndarray) -> float:
    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    error = np.abs(r - c)
    distance = np.abs(ordered(reference) - ordered(candidate))
    with np.errstate(all="ignore"):
        np.fmax.reduce(error / np.abs(r))
    figures = error.mean(), np.sqrt((error**2).mean()), (r * c).sum(), (r**2).sum(), (c**2).sum()
    counts = (reference != candidate).sum(), (~np.isfinite(error)).sum(), error.argmax()
    return float(error.max()) + 0 * sum(map(float, (*figures, *counts, distance.max())))


def by_torch(reference: np.ndarray, candidate: np.ndarray) -> float:
    import torch

    r, c = torch.from_numpy(reference).double(), torch.from_numpy(candidate).double()
    error = (r - c).abs()
    distance = np.abs(ordered(reference) - ordered(candidate))
    relative = (error / r.abs()).nan_to_num(0, posinf=0).max()
    figures = error.mean(), error.square().mean().sqrt(), (r * c).sum(), r.square().sum()
    counts = (r != c).sum(), c.square().sum(), (~error.isfinite()).sum(), error.argmax(), relative
    return float(error.max()) + 0 * sum(map(float, (*figures, *counts, distance.max())))


def ordered(values: np.ndarray) -> np.ndarray:
    """Bits of float32 as integers in the order of the numbers."""
    bits = values.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def ways() -> dict[str, Way]:
    return {
        "blocks": in_blocks,
        "blocks, with a tolerance": in_blocks_with_tolerance,
        "blocks, equal values": equal_in_blocks,
        "whole arrays, numpy": by_numpy,
        "whole arrays, torch": by_torch,
    }


def main(megabytes: int = 192, rounds: int = ROUNDS) -> dict[str, float]:
    """Print a table of medians in seconds; return them by way."""
    rng = np.random.default_rng(0)
    reference = rng.standard_normal(megabytes * 2**20 // 4, dtype=np.float32)
    candidate = reference + 1e-6 * rng.standard_normal(reference.size, dtype=np.float32)
    table = ways()
    seconds: dict[str, list[float]] = {name: [] for name in table}
    for _ in range(rounds):
        for name, way in table.items():
            began = time.perf_counter()
            way(reference, candidate)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"{megabytes} MB against {megabytes} MB of float32, {rounds} rounds")
    for name, median in medians.items():
        print(f"{name:28}{median:8.3f} s{median / medians['blocks']:8.2f} x")
    return medians


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
