"""How sure a pair is, from the evidence for it: a probability, calibrated on the suite."""

from __future__ import annotations

import math
from typing import Final

from divergence.matching.board import Board

_CERTAIN: Final = 7.0


def confidence(board: Board, reference: int, candidate: int) -> float:
    """Return 0..1: how probable it is that two nodes hold the same content."""
    score = board.scores[reference, candidate]
    return 1 / (1 + math.exp(1.0 - min(score, _CERTAIN)))
