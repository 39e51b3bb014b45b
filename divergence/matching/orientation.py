"""Whether a file, or a part of it, keeps its pictures turned: H and W swapped, as kernels tell."""

from __future__ import annotations

from itertools import islice
from typing import Final

import numpy as np

from divergence.matching.board import Board
from divergence.matching.graph import Graph
from divergence.matching.kernels import kernel_of
from divergence.matching.parameters import Floats

_VOTES: Final = 9  # kernels that are asked: one transposed by mistake does not decide
_CLEAR: Final = 0.2  # by which one orientation must fit better than the other


class Orientations:
    """Which pairs of a board stand with H and W swapped."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self._most: bool | None = None

    def of(self, reference: int) -> bool:
        """Return whether a node's partner is turned, as its own kernel tells.

        An input's readers tell; for a node without a kernel, most kernels of the file.
        """
        node = self.board.reference.nodes[reference]
        asked = node.consumers if node.kind == "input" else (reference,)
        votes = [vote for i in asked if (vote := self._vote(i)) is not None]
        return sum(votes) * 2 > len(votes) if votes else self._whole_file()

    def _whole_file(self) -> bool:
        """Return whether most kernels of the candidate are the reference's with H and W swapped."""
        if self._most is None:
            found = (self._vote(i) for i in self.board.paired)
            votes = list(islice((vote for vote in found if vote is not None), _VOTES))
            self._most = sum(votes) * 2 > len(votes)
        return self._most

    def _vote(self, reference: int) -> bool | None:
        candidate = self.board.paired.get(reference)
        if candidate is None:
            return None
        ours = _kernel(self.board.reference, reference)
        return _vote(ours, _kernel(self.board.candidate, candidate))


def _kernel(graph: Graph, index: int) -> Floats | None:
    """Return the first channels of the square kernel at the head of a node's chain."""
    node = graph.nodes[index]
    for _ in range(4):  # back from a batch norm or a bias to its convolution
        if node.kind == "conv":
            break
        if len(node.operands) != 1:
            return None
        node = graph.nodes[node.operands[0]]
    kernel = kernel_of(graph, node) if node.kind == "conv" else None
    if kernel is None or len(kernel.shape) != 4 or kernel.shape[2] != kernel.shape[3]:
        return None
    return np.asarray(kernel.load()[:4], dtype=np.float64) if kernel.shape[2] > 1 else None


def _vote(first: Floats | None, second: Floats | None) -> bool | None:
    if first is None or second is None or first.shape != second.shape:
        return None
    plain, swapped = _alike(first, second), _alike(first, second.transpose(0, 1, 3, 2))
    return None if abs(plain - swapped) < _CLEAR else swapped > plain


def _alike(first: Floats, second: Floats) -> float:
    """Return the mean correlation of channels, whatever their gain."""
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean(np.abs((a * b).sum(axis=1)) / np.maximum(size, 1e-30)))
