"""Recurrent modules: which the file has as one node, and which of its results is which."""

from __future__ import annotations

from divergence.matching.kinds import RECURRENT, kind_of, normal
from divergence.records import Program, Site


def whole(reference: Program, candidate: Program) -> frozenset[str]:
    """Return the recurrent modules that call plain operators where the file has one node.

    A cell is one where it is called once and the file has nodes left for the cells.
    """
    nodes = {site.node for site in candidate.sites if kind_of(site.op) == RECURRENT}
    if not nodes:
        return frozenset()
    found = {"module": dict[str, Site](), "op": dict[str, Site]()}
    for site in reference.sites:
        if site.kind in found and kind_of(site.op) == RECURRENT:
            found[site.kind][site.scope] = site
    plain = found["module"].keys() - found["op"].keys()
    layers = {scope for scope in plain if not _is_cell(found["module"][scope])}
    again = {site.scope for site in reference.sites if site.kind == "module" and "#" in site.name}
    cells = plain - layers - again
    left = len(nodes) - len(found["op"].keys() | layers)
    return frozenset(layers | cells if len(cells) <= left else layers)


def state_of_cell(site: Site, part: float) -> float:
    """Return which result of a layer a result of a cell is: it has no output beside its states.

    What is last in the sequence is the output as well as the first state (part 0 and 1 of a
    layer's): a cell's first result stays the output.
    """
    return part + 1 if part and _is_cell(site) else part


def _is_cell(site: Site) -> bool:
    return normal(site.op).endswith("cell")
