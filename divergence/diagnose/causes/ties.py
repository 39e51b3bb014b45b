"""order.ties: equal scores come in another order, so indices differ and values do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from divergence.diagnose.edits import Edit, edit_at
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Array, Evidence

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

CAUSE = "order.ties"


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """See whether the indices of both sides point at equal scores."""
    nodes = suspect.region.node("TopK", "ArgMax", "ArgMin")
    if not nodes or suspect.produced.dtype.kind not in "iu":
        return "no node of the segment gives indices of scores"
    if suspect.expected.shape != suspect.produced.shape:
        return "the indices differ in number"
    hypotheses = [h for node in nodes if (h := _tied(suspect, node)) is not None]
    return hypotheses or "the scores that the indices point at differ"


def _tied(suspect: Suspect, node: NodeProto) -> Hypothesis | None:
    scores = suspect.feeds.get(node.input[0])
    if scores is None:
        scores = suspect.trial.run(value=node.input[0])
    if scores is None:
        return None
    axis = int(attribute(node, "axis", -1 if node.op_type == "TopK" else 0))
    ours, theirs = _at(scores, suspect.expected, axis), _at(scores, suspect.produced, axis)
    if ours is None or theirs is None or not np.array_equal(ours, theirs):
        return None
    moved = int((suspect.expected != suspect.produced).sum())
    return Hypothesis(
        edit=_replay(suspect),
        explanation=(
            f"{moved} of {suspect.produced.size} indices point at another of several equal scores"
        ),
        evidence=(Evidence("scores that the indices point at differ by", 0.0, 0.0),),
        remedy="Compare values instead of indices, or break ties by the index on both sides.",
        parameters={"moved": moved},
    )


def _at(scores: Array, indices: Array, axis: int) -> Array | None:
    """Return the scores that the indices point at; None where shapes do not go together."""
    if indices.ndim == scores.ndim - 1:
        indices = np.expand_dims(indices, axis)
    if indices.ndim != scores.ndim or indices.max(initial=0) >= scores.shape[axis]:
        return None
    return np.take_along_axis(scores, indices, axis)


def _replay(suspect: Suspect) -> Edit:
    """Give the reference's choice among the equal scores."""
    value, chosen = suspect.region.match.candidate, suspect.expected

    def apply(graph: GraphProto) -> None:
        from onnx import helper, numpy_helper

        from divergence.diagnose.edits import fresh_name, producer

        old = producer(graph, value)
        old.output[list(old.output).index(value)] = fresh_name(graph, f"{value}.old")
        tensor = numpy_helper.from_array(chosen)
        graph.node.insert(0, helper.make_node("Constant", [], [value], name=value, value=tensor))

    return edit_at(value, apply, "take the reference's choice among equal scores", lasting=False)
