"""Products whose scale the other side's node takes in: what that node gives is the scaled one.

ONNX Runtime puts a scale into the product of two values as its `alpha`, one in front of it as well
as one behind it. Which of both it was, the reference shows.
"""

from __future__ import annotations

from divergence.matching.board import Board
from divergence.matching.kinds import normal

_FUSED = frozenset({"fusedmatmul", "transposematmul"})
_SCALES = frozenset({"mul", "div"})


def move_scaled(board: Board) -> None:
    """Give each scaled product of the candidate to the reference's scale, where one is left."""
    for i, j in list(board.paired.items()):
        scale = _scale(board, i)
        if scale is None or not _is_scaled(board, j):
            continue
        pair = scale, j
        board.scores[pair], board.reasons[pair] = board.scores[i, j], board.reasons[i, j]
        del board.paired[i]
        board.paired[scale], board.taken[j] = j, scale


def _scale(board: Board, product: int) -> int | None:
    """Return the one reader of a product, where it scales it by a constant and has no partner."""
    node = board.reference.nodes[product]
    if node.kind != "matmul" or len(node.consumers) != 1:
        return None
    reader = board.reference.nodes[node.consumers[0]]
    alone = reader.operands == (product,) and reader.size == node.size
    left = reader.index not in board.paired and reader.index not in board.folded[0]
    return reader.index if reader.kind in _SCALES and alone and left else None


def _is_scaled(board: Board, index: int) -> bool:
    node = board.candidate.nodes[index]
    return normal(node.op) in _FUSED and float(node.attributes.get("alpha", 1.0)) != 1.0
