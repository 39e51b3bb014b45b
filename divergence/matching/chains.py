"""Chains: an operator with a weight, and the scales and offsets of each channel behind it.

A convolution, the batch norm behind it and a layer scale are one linear map from the point
of view of every optimiser that folds them. Each point of such a chain has a state, the gain
and the offset applied since the operator's own weight, and two points hold the same value
where their states agree: that says whether a `Conv` of the file holds the convolution's
value or the batch norm's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from divergence.matching.graph import Graph, Node
from divergence.matching.kernels import Kernel, kernel_of
from divergence.matching.parameters import Floats, load, moments, norms, rows, sampled, signature
from divergence.matching.unblocked import DOMAIN
from divergence.records import Weight

_AFFINE = frozenset({"add", "sub", "mul", "div", "batch_norm"})
_SUMS = frozenset({"float16", "float32", "int32"})  # a zero point has the type of a weight
_ANYTHING = 1e30  # rounding of a bias that is not known
_LONGEST = 6  # points of a chain: convolution, bias, batch norm in two steps, layer scale


@dataclass(frozen=True, slots=True)
class Point:
    """A node of a chain; gain and offset of the sampled channels, relative to the weight.

    blur: how far the rounding of a bias to integers may have moved the offset.
    """

    node: int
    kind: str
    gain: Floats
    offset: Floats
    blur: Floats


@dataclass(frozen=True, slots=True)
class Chain:
    """A head with what is known of its weight, and the points behind it, the head first.

    size: (channels, elements of each). norms: of the sampled channels, None where integers
    stand for them. moments: theirs. biased: the head adds an offset itself.
    """

    head: int
    size: tuple[int, int]
    biased: bool
    norms: Floats | None
    moments: Floats
    signature: Floats
    points: tuple[Point, ...]


def chains(graph: Graph) -> Iterator[Chain]:
    """Yield the chain of every operator that multiplies by a weight."""
    for node in graph.nodes:
        kernel = kernel_of(graph, node)
        if kernel is not None:
            yield _chain(graph, node, kernel)


def _chain(graph: Graph, node: Node, kernel: Kernel) -> Chain:
    matrix = rows(kernel.load(), kernel.axis)
    statistics = moments(matrix)
    return Chain(
        head=node.index,
        size=(kernel.channels, matrix.shape[1]),
        biased=_bias(graph, node, kernel) is not None,
        norms=norms(matrix) if kernel.scaled else None,
        moments=statistics,
        signature=signature(statistics),
        points=tuple(_points(graph, node, kernel)),
    )


def _points(graph: Graph, head: Node, kernel: Kernel) -> Iterator[Point]:
    channels = kernel.channels
    chosen = sampled(channels)
    gain = np.ones(len(chosen))
    offset, blur = _offset(graph, head, kernel)
    yield Point(head.index, head.kind, gain, offset, blur)
    node = head
    for _ in range(_LONGEST - 1):
        following = _next_affine(graph, node, channels)
        applied = _apply(graph, following, channels) if following else None
        if following is None or applied is None:
            return
        node = following
        gain, offset = gain * applied[0], offset * applied[0] + applied[1]
        blur = blur * np.abs(applied[0])
        yield Point(node.index, node.kind, gain, offset, blur)


def _offset(graph: Graph, head: Node, kernel: Kernel) -> tuple[Floats, Floats]:
    """Return what an operator adds to its product itself, and how far that may be rounded."""
    none = np.zeros(len(sampled(kernel.channels)))
    bias = _bias(graph, head, kernel)
    if bias is None or not kernel.scaled:
        return none, none
    if "int" in bias.dtype:  # counted in a scale that may depend on what comes in
        return none, none + _ANYTHING
    return _vector(bias, kernel.channels), none + _rounding(graph, bias, kernel.channels)


def _rounding(graph: Graph, bias: Weight, channels: int) -> Floats | float:
    """Return half a step of the integers that a bias is restored from, 0 for others."""
    site = graph.sites.get(bias.name)
    if site is None or site.op != "DequantizeLinear":
        return 0.0
    return np.abs(_vector(graph.program.weights[site.weights[1]], channels)) / 2


def _bias(graph: Graph, head: Node, kernel: Kernel) -> Weight | None:
    """Return what an operator adds to its product itself, None where it adds nothing."""
    given = [graph.program.weights[n] for n in head.weights if n not in kernel.parts]
    if "int" in graph.program.weights[kernel.parts[0]].dtype:  # there are scales of values as well
        fits = (w for w in given if w.shape == (kernel.channels,) and w.dtype in _SUMS)
    else:
        padded = head.op.startswith(DOMAIN)  # blocked layout keeps whole blocks of channels
        fits = (w for w in given if "float" in w.dtype and _is_vector(w, kernel.channels, padded))
    return next(fits, None)


def _next_affine(graph: Graph, node: Node, channels: int) -> Node | None:
    """Return the one consumer, if it scales or shifts each channel by constants."""
    if len(node.consumers) != 1:
        return None
    following = graph.nodes[node.consumers[0]]
    if following.kind not in _AFFINE or following.operands != (node.index,):
        return None
    given = [graph.program.weights[name] for name in following.weights]
    if any(not _is_vector(w, channels) for w in given):
        return None
    return following if given or _scalar(following) is not None else None


def _apply(graph: Graph, node: Node, channels: int) -> tuple[Floats, Floats] | None:
    """Return gain and offset of one affine step; None where its constants are not known."""
    given = [_vector(graph.program.weights[name], channels) for name in node.weights]
    one = np.ones(len(sampled(channels)))
    if node.kind == "batch_norm":
        return _batch_norm(node, given, one)
    value = given[0] if given else one * (_scalar(node) or 0.0)
    if len(given) > 1:
        return None
    if node.kind in {"add", "sub"}:
        return one, value if node.kind == "add" else -value
    if node.kind == "div":
        return 1 / np.where(value == 0, np.inf, value), 0 * one
    return value, 0 * one


def _batch_norm(node: Node, given: list[Floats], one: Floats) -> tuple[Floats, Floats] | None:
    if "instance" in node.op.lower() or node.attributes.get("running_mean", 0) is None:
        return None  # by the statistics of its input
    if len(given) == 2:  # running statistics without scale and offset
        given = [one, 0 * one, *given]
    if len(given) != 4:
        return None
    scale, shift, mean, variance = given
    epsilon = node.attributes.get("epsilon", node.attributes.get("eps", 1e-5))
    gain = scale / np.sqrt(np.maximum(variance, 0) + float(epsilon))
    return gain, shift - mean * gain


def _is_vector(weight: Weight, channels: int, padded: bool = False) -> bool:
    size = math.prod(weight.shape)
    return size in (1, channels) or (padded and len(weight.shape) == 1 and size > channels)


def _vector(weight: Weight, channels: int) -> Floats:
    """Return one value for each sampled channel."""
    values = load(weight).reshape(-1)
    return (
        values[sampled(channels)]
        if values.size >= channels
        else values * np.ones(len(sampled(channels)))
    )


def _scalar(node: Node) -> float | None:
    value = node.attributes.get("other")
    return float(value) if isinstance(value, int | float) else None
