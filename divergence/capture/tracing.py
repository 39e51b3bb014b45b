"""What is observed where: each value of the user's file, or the reason why it cannot be seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from divergence.capture import observers
from divergence.capture.blocked import Place
from divergence.capture.deployed import Deployed
from divergence.capture.onnx_session import Session, Settings
from divergence.capture.onnx_tensors import Stored, element_of
from divergence.capture.surgery import Tap, declared
from divergence.capture.swallowed import reasons
from divergence.errors import LoadError
from divergence.records import Program, Site

if TYPE_CHECKING:
    from onnx import ModelProto

_FLOAT = 1  # the only element type that exists in blocked layout


@dataclass(frozen=True, slots=True)
class Trace:
    """The taps of a graph.

    members: sites that hold the very same value, in order, by the first of them: a tap's site or
        an input.
    hidden: sites that no tap shows, and why.
    """

    taps: tuple[Tap, ...]
    members: Mapping[str, tuple[str, ...]]
    hidden: Mapping[str, str]


def plan(
    own: ModelProto, program: Program, graph: Deployed, settings: Settings, by_observers: bool
) -> Trace:
    """Decide for every value of the file where it is tapped.

    own: the user's file; program: its sites; graph: what is traced instead. by_observers: taps
    are observers, not outputs.
    """
    groups = _same_values(program.sites)
    lost = reasons(own, graph)
    taps: list[Tap] = []
    hidden: dict[str, str] = {}
    sites = {site.name: site for site in program.sites}
    for root, members in groups.items():
        if sites[root].kind == "input":
            continue
        place = next((graph.places[name] for name in members if name in graph.places), None)
        if place is None:
            hidden.update({name: lost.get(name, _REMOVED) for name in members})
        else:
            taps.append(_tap(sites[root], place))
    taps = _typed(taps, graph, settings)
    seen = []
    for tap in taps:
        reason = _refused(tap, by_observers)
        if reason:
            hidden.update(dict.fromkeys(groups[tap.site], reason))
        else:
            seen.append(tap)
    return Trace(tuple(seen), groups, hidden)


_REMOVED = "ONNX Runtime removed it: nothing that remains of the graph reads it"


def _same_values(sites: Iterable[Site]) -> dict[str, tuple[str, ...]]:
    """Return the sites that depend on the inputs, or are one, each with its aliases."""
    groups: dict[str, tuple[str, ...]] = {}
    roots: dict[str, str] = {}
    for site in sites:
        if site.constant:
            continue
        root = roots.get(site.alias_of or "", "")
        roots[site.name] = root or site.name
        groups[root or site.name] = (*groups.get(root, ()), site.name)
    return groups


def _tap(site: Site, place: Place) -> Tap:
    element = place.element or (_FLOAT if place.channels else element_of(site.dtype))
    return Tap(site.name, place.value, element, place.body, place.channels)


def _typed(taps: Sequence[Tap], graph: Deployed, settings: Settings) -> list[Tap]:
    """Ask the runtime for the types that shape inference does not know."""
    unknown = [tap.value for tap in taps if not tap.element and not tap.body]
    found = asked(graph.model, graph.weights, unknown, settings)
    return [replace(tap, element=tap.element or found.get(tap.value, 0)) for tap in taps]


def asked(
    model: ModelProto, weights: Mapping[str, Stored], values: Sequence[str], settings: Settings
) -> dict[str, int]:
    """Return the ONNX element types that the runtime finds for values at the top of a graph."""
    if not values:
        return {}
    try:
        session = Session(declared(model, values), settings, weights)
    except LoadError:
        return {}
    return {name: element_of(session.outputs.get(name)) for name in values}


def _refused(tap: Tap, by_observers: bool) -> str:
    if not tap.element:
        return "it is no tensor, or its type is not known before it exists"
    if by_observers and not observers.has_observer(tap.element):
        return f"there is no observer for values of ONNX element type {tap.element}"
    if tap.body and not by_observers:
        return "it is inside a body, which only observers see: install onnxruntime-extensions"
    return ""
