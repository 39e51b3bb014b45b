"""Which nodes of the file a value that is shown stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from divergence.records import Program, Site

# Key of `Site.attributes`: names of nodes in the file, in its order, the site's own last.
COVERS = "divergence.covers"


def with_covers(program: Program) -> Program:
    """Say of each site that is shown which nodes it computes together with hidden ones."""
    hidden = {entry.site for entry in program.unobservable}
    sites = {site.name: site for site in program.sites}
    return replace(program, sites=tuple(_covering(site, sites, hidden) for site in program.sites))


def _covering(site: Site, sites: Mapping[str, Site], hidden: set[str]) -> Site:
    if site.name in hidden or not hidden.intersection(site.inputs):
        return site
    inner: dict[str, Site] = {}
    stack = [site.name]
    while stack:
        name = stack.pop()
        if name in sites and name not in inner:
            inner[name] = sites[name]
            stack.extend(source for source in sites[name].inputs if source in hidden)
    ordered = sorted(inner.values(), key=lambda entry: entry.order)
    nodes = tuple(dict.fromkeys(entry.node for entry in ordered))
    return replace(site, attributes={**site.attributes, COVERS: nodes})
