"""What values in bodies are computed of, as a run goes from turn to turn."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from divergence.capture.flattening import Flat
from divergence.capture.onnx_program import onnx_program
from divergence.records import Program, Site


def relinked(program: Program, flat: Flat) -> Program:
    """Return the program with each site's inputs and weights as the laid-out file has them.

    There a turn reads what the turn before it made, not what the loop started from. Of what no
    run shows there is a site a turn too, as its readers need it.
    """
    laid_out = {site.name: site for site in onnx_program(flat.file).sites}
    hidden = {entry.site: entry for entry in program.unobservable}
    more = list(_hidden_turns(program, laid_out, hidden))
    sites = _ordered([*program.sites, *more], laid_out)
    moving = {site.name for site in sites if not site.constant}
    links = _Links(laid_out, moving, program.weights)
    told = (replace(links.told(s), order=number) for number, s in enumerate(sites))
    unseen = [replace(hidden[_base(site.name)], site=site.name) for site in more]
    return replace(program, sites=tuple(told), unobservable=(*program.unobservable, *unseen))


def _base(name: str) -> str:
    return name.rpartition("#")[0]


def _hidden_turns(
    program: Program, laid_out: Mapping[str, Site], hidden: Collection[str]
) -> Iterator[Site]:
    """Yield the later turns of sites that no run shows."""
    sites = {site.name: site for site in program.sites}
    for name in laid_out:
        base = _base(name)
        if name not in sites and base in hidden and base in sites:
            yield replace(sites[base], name=name)


def _ordered(sites: Sequence[Site], laid_out: Mapping[str, Site]) -> list[Site]:
    """Return sites as the laid-out file orders them, the others where they stood."""
    place, placed = -1, []
    for site in sites:
        place = laid_out[site.name].order if site.name in laid_out else place
        placed.append((place, site))
    return [site for _, site in sorted(placed, key=lambda entry: entry[0])]


@dataclass(frozen=True, slots=True)
class _Links:
    """laid_out: sites of the laid-out file; moving: those of the program that are no constants.

    What the first turn computes of a constant start is a constant for the laid-out file alone.
    """

    laid_out: Mapping[str, Site]
    moving: Collection[str]
    weights: Collection[str]

    def told(self, site: Site) -> Site:
        """Return a site with the links that it has in the laid-out file."""
        found = self.laid_out.get(site.name)
        if found is None or found.constant or site.constant:
            return site
        sources = dict.fromkeys(self._sources([*found.inputs, *found.weights]))
        inputs = dict.fromkeys([n for n in site.inputs if n in sources])  # in operand order
        alias = found.alias_of if found.alias_of in self.moving else None
        return replace(
            site,
            inputs=tuple(inputs | sources),
            weights=tuple(dict.fromkeys(self._weights(found.weights))),
            alias_of=site.alias_of or alias,
        )

    def _sources(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the sites behind `names`, through what only the layout has."""
        for name in names:
            if name in self.moving:
                yield name
            elif name in self.laid_out and not self.laid_out[name].constant:
                yield from self._sources(self.laid_out[name].inputs)

    def _weights(self, names: Sequence[str]) -> Iterator[str]:
        """Yield the weights by their names in the file, where one stands for all turns."""
        for name in names:
            if name not in self.moving:
                known = name if name in self.weights else name.rpartition("#")[0]
                if known in self.weights:
                    yield known
