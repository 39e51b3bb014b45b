"""Nodes in the order that they are run in, and near that of the file that they were made of.

The runtime takes files in any order, and converters to float16 write their casts at the end; what
reads a graph from its first node to its last needs each behind what it reads. And the runtime
saves its graph in an order of its own, where a layer may come long before its turn. Values are
compared with those of a program that runs in the file's order, so the nearer the two orders are,
the fewer values wait for their partners.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from divergence.capture.onnx_file import operands

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto


def settle(graph: GraphProto) -> None:
    """Put each node of a graph, at the top, behind what it reads; no other node moves."""
    waiting = {name for node in graph.node for name in node.output if name}
    for node in graph.node:
        if not waiting.isdisjoint(operands(node)):
            break
        waiting.difference_update(node.output)
    else:
        return
    nodes = list(graph.node)
    order = _sorted(*_wires(nodes), list(range(len(nodes))))
    if len(order) == len(nodes):  # else nodes read each other, and a session will refuse them
        _replace(graph, order)


def reorder(graph: GraphProto, places: Mapping[str, int]) -> None:
    """Sort the nodes of a graph, at the top, by `places`, as far as their operands allow.

    places: of values; a node takes the least of its outputs', or else that of the first node
    that waits for it.
    """
    nodes = list(graph.node)
    reads, readers = _wires(nodes)
    _replace(graph, _sorted(reads, readers, _ranks(nodes, readers, places)))


def _wires(nodes: list[NodeProto]) -> tuple[list[set[int]], list[list[int]]]:
    """Return by number the nodes that each node reads from, and those that read from it."""
    makers = {name: number for number, node in enumerate(nodes) for name in node.output if name}
    reads = [{makers[name] for name in operands(node) if name in makers} for node in nodes]
    readers: list[list[int]] = [[] for _ in nodes]
    for number, sources in enumerate(reads):
        for source in sources:
            readers[source].append(number)
    return reads, readers


def _replace(graph: GraphProto, order: list[int]) -> None:
    copies = [_copy(graph.node[number]) for number in order]
    del graph.node[:]
    graph.node.extend(copies)


def _ranks(
    nodes: list[NodeProto], readers: list[list[int]], places: Mapping[str, int]
) -> list[int]:
    """Return the place of each node; the given order is topological, so readers come later."""
    last = max(places.values(), default=0) + 1
    ranks = [last] * len(nodes)
    for number in reversed(range(len(nodes))):
        known = [places[name] for name in nodes[number].output if name in places]
        waiting = [ranks[reader] for reader in readers[number]]
        ranks[number] = min(known or waiting, default=last)
    return ranks


def _sorted(reads: list[set[int]], readers: list[list[int]], ranks: list[int]) -> list[int]:
    missing = Counter({number: len(sources) for number, sources in enumerate(reads)})
    ready: list[tuple[int, int]] = []
    for number, count in missing.items():
        if not count:
            heappush(ready, (ranks[number], number))
    order: list[int] = []
    while ready:
        _, number = heappop(ready)
        order.append(number)
        for reader in readers[number]:
            missing[reader] -= 1
            if not missing[reader]:
                heappush(ready, (ranks[reader], reader))
    return order


def _copy(node: NodeProto) -> NodeProto:
    from onnx import NodeProto

    copy = NodeProto()
    copy.CopyFrom(node)
    return copy
