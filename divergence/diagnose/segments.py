"""Segments: what lies between the values that are paired, on either side.

A boundary is a site whose value is known to both sides. The segment of a boundary is what
computes it from the boundaries upstream, so the segments of all boundaries tile the program.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from divergence.capture.survey import OPERANDS
from divergence.records import Program, Site


@dataclass(frozen=True, slots=True)
class Segment:
    """The sites that compute `end`, in execution order with `end` last, and what they read.

    inputs: names of the boundary sites (and program inputs) that flow in, in execution order.
    """

    end: str
    sites: tuple[Site, ...]
    inputs: tuple[str, ...]


def index(program: Program) -> Mapping[str, Site]:
    """Return the sites of a program by name."""
    return {site.name: site for site in program.sites}


def sources(site: Site) -> tuple[str, ...]:
    """Return the names of the sites that a site is made of.

    An alias is made of the site that made its value, a module also of what is read inside it.
    """
    if site.alias_of:
        return (site.alias_of,)
    return (*site.inputs, *site.attributes.get(OPERANDS, ()))


def segment(sites: Mapping[str, Site], end: str, boundaries: Collection[str]) -> Segment:
    """Walk back from `end` to the nearest boundaries.

    An alias stands for the site that made its value, so the walk follows it; a module site
    with children is reached through them, and one of several steps through its steps.
    """
    inner: dict[str, Site] = {}
    entries: dict[str, Site] = {}
    stack = [end]
    while stack:
        name = stack.pop()
        site = sites.get(name)
        if site is None or name in inner or name in entries:
            continue
        if name != end and (site.kind == "input" or name in boundaries):
            entries[name] = site
            continue
        inner[name] = site
        stack.extend(sources(site))
    return Segment(
        end=end,
        sites=tuple(sorted(inner.values(), key=lambda site: site.order)),
        inputs=tuple(s.name for s in sorted(entries.values(), key=lambda site: site.order)),
    )


def awake(found: Segment, sites: Mapping[str, Site], readers: Mapping[str, set[str]]) -> Segment:
    """Return a segment with the nodes that compute real numbers for it from constants alone.

    A wrong parameter may be read there, or what they should read besides is not read at all.
    readers: the sites that read a constant. What is restored from integers is no such node.
    """
    known: list[Site] = []
    inside = {site.name for site in found.sites}
    stack = [name for site in found.sites for name in site.weights]
    while stack:
        site = sites.get(stack.pop())
        if site is None or not site.weights or site.op == "DequantizeLinear":
            continue
        is_real = (site.dtype or "").startswith(("float", "bfloat"))
        if is_real and site.name not in inside and readers[site.name] <= inside:
            known.append(replace(site, constant=False))
            inside.add(site.name)
            stack.extend(site.weights)
    ordered = sorted((*found.sites, *known), key=lambda site: site.order)
    return replace(found, sites=tuple(ordered))


def readers_of_constants(program: Program) -> Mapping[str, set[str]]:
    """Return the sites that read a constant's values, by its name."""
    found: dict[str, set[str]] = {}
    for site in program.sites:
        for name in site.weights if site.op not in {"Shape", "Size"} else ():
            found.setdefault(name, set()).add(site.name)
    return found


def live(program: Program) -> frozenset[str]:
    """Return the sites that an output depends on; the rest is computed for nothing."""
    sites = index(program)
    reached: set[str] = set()
    stack = list(program.outputs)
    while stack:
        name = stack.pop()
        if name in sites and name not in reached:
            reached.add(name)
            stack.extend(sites[name].inputs)
    return frozenset(reached)
