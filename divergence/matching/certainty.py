"""How sure a pair is, from the evidence for it: a probability that promises less than it holds.

The score is a sum of logarithms of odds, so the curve is a logistic one; its shift was chosen on
the tuned half of the suite (`tests/matching/suite`: 9 networks, both exporters, 14 rewrites, plain
and perturbed), where what it gives is below the share of pairs that are right:

| score | given | pairs | wrong |
|---|---|---|---|
| 3 to 4 | 0.88 to 0.95 | 1,012 | 0 |
| 4 to 5 | 0.95 to 0.98 | 1,064 | 0 |
| 5 to 6 | 0.98 to 0.99 | 12,630 | 0 |
| 6 and more | 0.99 to 1.00 | 109,780 | 22 |

A curve through these shares would give 0.99 and more to every pair that the matcher decides;
networks and files that nobody has seen deserve more doubt, so the curve stays below them. The
reliability table of the suite and of `tests.benchmarks.bench_matching` is how it is held.
"""

from __future__ import annotations

import math
from typing import Final

from divergence.matching.board import Board

_CERTAIN: Final = 7.0  # more evidence than this says no more: 0.9975
_SHIFT: Final = 1.0


def confidence(board: Board, reference: int, candidate: int) -> float:
    """Return 0..1: how probable it is that two nodes hold the same content."""
    score = board.scores[reference, candidate]
    return 1 / (1 + math.exp(_SHIFT - min(score, _CERTAIN)))
