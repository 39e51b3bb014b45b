"""Factories of the small network, as a command line names them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch

from tests.postprocess.networks import Net, network

__all__ = ["deadly", "frail", "network"]

POISON = 1000.0


class _Killing(Net):
    """Ends its process at some input: each time, or once where a marker file lies about."""

    def __init__(self, once: bool):
        super().__init__()
        self.once = once

    def forward(self, x):
        if not torch.jit.is_tracing() and float(x[0, 0]) == POISON and self._armed():
            os._exit(9)
        return super().forward(x)

    def _armed(self):
        if not self.once:
            return True
        marker = Path(os.environ["DIVERGENCE_TEST_MARKER"])
        if not marker.exists():
            return False
        marker.unlink()
        return True


def deadly():
    return _Killing(once=False).eval()


def frail():
    return _Killing(once=True).eval()


def write_inputs(folder, count=6):
    """Write inputs a.npy, b.npy, ... of another size each; return their names."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    names = []
    for place in range(count):
        value = rng.normal(size=(1, 16)).astype(np.float32) * (place + 1)
        names.append(str(folder / f"{chr(97 + place)}.npy"))
        np.save(names[-1], value)
    return names
