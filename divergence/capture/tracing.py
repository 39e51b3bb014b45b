"""What is observed where: each value of the user's file, or the reason why it cannot be seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from divergence.capture import observers
from divergence.capture.blocked import Place
from divergence.capture.deployed import Deployed
from divergence.capture.movements import Step, origin
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
class Member:
    """A site that is shown by a tap. alias: only where it is asked for by name."""

    site: str
    alias: bool = False
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The taps of a graph.

    members: the sites that hold a tap's or an input's elements, by the site of that: itself,
        its aliases, and values that the runtime keeps in this arrangement alone.
    hidden: sites that no tap shows, and why.
    """

    taps: tuple[Tap, ...]
    members: Mapping[str, tuple[Member, ...]]
    hidden: Mapping[str, str]


def plan(
    own: ModelProto, program: Program, graph: Deployed, settings: Settings, by_observers: bool
) -> Trace:
    """Decide for every value of the file where it is tapped.

    own: the user's file; program: its sites; graph: what is traced instead. by_observers: taps
    are observers, not outputs.
    """
    groups = _same_values(program.sites)
    sites = {site.name: site for site in program.sites}
    places = {
        root: None if sites[root].kind == "input" else _place(names, graph.places)
        for root, names in groups.items()
    }
    found = [_tap(sites[root], place) for root, place in places.items() if place is not None]
    taps, hidden = [], {}
    for tap in _typed(found, graph, settings):
        reason = _refused(tap, by_observers)
        if reason:
            hidden.update(dict.fromkeys(groups[tap.site], reason))
        else:
            taps.append(tap)
    shown = {tap.site for tap in taps} | {s.name for s in program.sites if s.kind == "input"}
    lost = [root for root, place in places.items() if place is None and root not in shown]
    members = {
        root: _members(names, _turned(root, places[root]))
        for root, names in groups.items()
        if root in shown
    }
    hidden.update(_recover(own, graph, lost, groups, members))
    return Trace(tuple(taps), members, hidden)


def _recover(
    own: ModelProto,
    graph: Deployed,
    lost: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    members: dict[str, tuple[Member, ...]],
) -> dict[str, str]:
    """Add lost values to the taps that hold their elements; return why the others are lost."""
    hidden: dict[str, str] = {}
    why = reasons(own, graph) if lost else {}
    for root in lost:
        source = origin(graph.own, root, members)
        if source is not None:
            turned = members[source.value][0].steps
            members[source.value] += _members(groups[root], (*turned, *source.steps))
        else:
            hidden.update({name: why.get(name, _REMOVED) for name in groups[root]})
    return hidden


def _place(names: Sequence[str], places: Mapping[str, Place]) -> Place | None:
    return next((places[name] for name in names if name in places), None)


def _turned(root: str, place: Place | None) -> tuple[Step, ...]:
    return (Step(root, place.axes),) if place is not None and place.axes else ()


def _members(names: Sequence[str], steps: tuple[Step, ...] = ()) -> tuple[Member, ...]:
    return tuple(Member(name, number > 0, steps) for number, name in enumerate(names))


_RETYPED = "ONNX Runtime computes it in another type"
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


def retyped(trace: Trace, graph: Deployed, settings: Settings) -> Trace:
    """Return the trace without taps of values that are of another type in the graph."""
    values = [tap.value for tap in trace.taps if not tap.body]
    found = asked(graph.model, graph.weights, values, settings)
    taps = [tap for tap in trace.taps if tap.body or found.get(tap.value, 0) == tap.element]
    lost = {tap.site for tap in trace.taps} - {tap.site for tap in taps}
    gone = {m.site: _RETYPED for site in lost for m in trace.members[site]}
    members = {site: shown for site, shown in trace.members.items() if site not in lost}
    return Trace(tuple(taps), members, {**trace.hidden, **gone})


def _refused(tap: Tap, by_observers: bool) -> str:
    if not tap.element:
        return "it is no tensor, or its type is not known before it exists"
    if by_observers and not observers.has_observer(tap.element):
        return f"there is no observer for values of ONNX element type {tap.element}"
    if tap.body and not by_observers:
        return "it is inside a body, which only observers see: install onnxruntime-extensions"
    return ""
