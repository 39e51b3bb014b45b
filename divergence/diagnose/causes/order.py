"""structure.order: operands, slices or steps in another order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, permutations
from operator import ne
from typing import TYPE_CHECKING

from divergence.diagnose.edits import (
    Edit,
    reorder_inputs,
    rewire,
    set_attributes,
    swap_outputs,
    together,
)
from divergence.diagnose.reading import attribute
from divergence.diagnose.suspect import Hypothesis, Suspect
from divergence.records import Evidence

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

CAUSE = "structure.order"

ORDERED = frozenset({"Concat", "Div", "MatMul", "Mod", "Pow", "Sub", "Where"})
# Their parameters are all of one shape.
NORMS = frozenset({"BatchNormalization", "InstanceNormalization", "LayerNormalization"})
# Attributes of 0 or 1 that say in which order steps are taken: a sum from the end or before its
# own element, a gate before a product or behind it.
FLAGS = {"CumSum": ("reverse", "exclusive"), "GRU": ("linear_before_reset",)}
# All orders of up to this many operands are tried: 4! - 1 = 23 runs of the segment.
MOST_PERMUTED = 4
# Steps from a slice back to what it was cut from: a squeeze, a cast, the split.
FAR = 3


def propose(suspect: Suspect) -> Sequence[Hypothesis] | str:
    """Read what the reference reads; put operands and slices of a split into another order."""
    hypotheses = [*_rewired(suspect), *_exchanged(suspect)]
    for node in suspect.region.nodes:
        hypotheses += [*_operands(node), *_slices(node), *_flags(node)]
    return hypotheses or "no node of the segment depends on the order of its operands"


def _rewired(suspect: Suspect) -> Iterator[Hypothesis]:
    """Yield a change for each value that is read in the place of one that the reference reads."""
    region, feeds = suspect.region, suspect.feeds
    wanted = {region.partners.get(name, "") for name in region.reference.inputs} & set(feeds)
    read = region.reads()
    for node in region.nodes:
        for operand, found in enumerate(node.input):
            if list(node.input).count(found) > 1:  # in the place of another value
                for want in sorted(wanted - {found}):
                    yield _wired(suspect, (node, operand), want)
            elif found in read and found not in wanted:
                for want in sorted(wanted - read):
                    if feeds[want].size == feeds[found].size:
                        yield _wired(suspect, (node, operand), want)


def _wired(suspect: Suspect, place: tuple[NodeProto, int], want: str) -> Hypothesis:
    node, operand = place
    found, name = node.input[operand], node.name or node.output[0]
    given = suspect.feeds.get(found, suspect.feeds[want])
    reshaped = given.shape if suspect.feeds[want].shape != given.shape else None
    return Hypothesis(
        edit=rewire(node.output[0], operand, want, f"let {name} read {want}", reshaped),
        explanation=f"{name} reads {found} where the reference reads {want}",
        evidence=(Evidence(f"operand {operand} of {name}", want, found),),
        remedy="Export again; slices or operands are not in the reference's order.",
        nodes=_common_source(suspect.trial.model.graph, found, want),
    )


def _exchanged(suspect: Suspect) -> Iterator[Hypothesis]:
    """Yield a change for each two values that are read in each other's place."""
    feeds = suspect.feeds
    for first, second in combinations(sorted(suspect.region.reads() & set(feeds)), 2):
        if feeds[first].shape != feeds[second].shape:
            continue
        other = {first: second, second: first}
        edits = [
            rewire(node.output[0], operand, other[name], f"exchange {first} and {second}")
            for node in suspect.region.nodes
            for operand, name in enumerate(node.input)
            if name in other
        ]
        yield Hypothesis(
            edit=together(edits, f"exchange {first} and {second}"),
            explanation=f"{first} and {second} are read in each other's place",
            evidence=(Evidence("values read", [first, second], [second, first]),),
            remedy="Export again; slices or operands are not in the reference's order.",
            nodes=_common_source(suspect.trial.model.graph, first, second),
        )


def _common_source(graph: GraphProto, first: str, second: str) -> tuple[str, ...]:
    """Return the node that gives both values, and what they go through behind it."""
    makers = {output: node for node in graph.node for output in node.output}
    paths = [_path(makers, first), _path(makers, second)]
    common = next((node for node in paths[0] if node in paths[1]), None)
    if common is None:
        return ()
    return tuple(dict.fromkeys(n for path in paths for n in path[path.index(common) :: -1]))


def _path(makers: Mapping[str, NodeProto], name: str) -> list[str]:
    """Return the nodes behind a value along first operands, the nearest first."""
    path: list[str] = []
    while name in makers and len(path) < FAR:
        path.append(makers[name].name)
        name = next(iter(makers[name].input), "")
    return path


def _operands(node: NodeProto) -> Iterator[Hypothesis]:
    if node.op_type not in ORDERED | NORMS or len(node.input) < 2:
        return
    own = tuple(range(len(node.input)))
    for order in _swaps(own) if node.op_type in NORMS else _orders(own):
        listed = [node.input[i] for i in order]
        name = node.name or node.output[0]
        action = f"give {name} its operands as {', '.join(listed)}"
        yield _hypothesis(
            reorder_inputs(node.output[0], order, action),
            f"{node.op_type} {name} takes its operands in another order",
            Evidence(f"operands of {name}", listed, list(node.input)),
        )


def _slices(node: NodeProto) -> Iterator[Hypothesis]:
    if len(node.output) < 2 or node.op_type not in {"Split", "Unique", "SplitToSequence"}:
        return
    for order in _orders(tuple(range(len(node.output)))):
        listed = [node.output[i] for i in order]
        name = node.name or node.output[0]
        yield _hypothesis(
            swap_outputs(node.output[0], order, f"let {name} give {', '.join(listed)}"),
            f"the slices of {name} are used in another order",
            Evidence(f"slices of {name}", listed, list(node.output)),
        )


def _flags(node: NodeProto) -> Iterator[Hypothesis]:
    for flag in FLAGS.get(node.op_type, ()):
        own, name = int(attribute(node, flag, 0)), node.name or node.output[0]
        yield _hypothesis(
            set_attributes(node.output[0], {flag: 1 - own}, f"set {flag} of {name} to {1 - own}"),
            f"{node.op_type} {name} takes its steps in another order ({flag} is {own})",
            Evidence(f"{flag} of {name}", 1 - own, own),
        )


def _orders(own: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield other orders: all of a few, swaps of two first, else each swap and the reverse."""
    if len(own) <= MOST_PERMUTED:
        others = [order for order in permutations(own) if order != own]
        yield from sorted(others, key=lambda order: sum(map(ne, order, own)))
        return
    yield own[::-1]
    for i in own:
        for j in own[i + 1 :]:
            swapped = list(own)
            swapped[i], swapped[j] = own[j], own[i]
            yield tuple(swapped)


def _swaps(own: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the orders in which two operands behind the first, the value, are exchanged."""
    for first, second in combinations(own[1:], 2):
        other = {first: second, second: first}
        yield tuple(other.get(number, number) for number in own)


def _hypothesis(edit: Edit, explanation: str, evidence: Evidence) -> Hypothesis:
    return Hypothesis(
        edit=edit,
        explanation=explanation,
        evidence=(evidence,),
        remedy="Export again; the order of the operands is not the reference's.",
    )
