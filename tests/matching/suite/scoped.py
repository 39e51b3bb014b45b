"""Truth that the exporter wrote: which value of the untouched file is a module's result."""

from __future__ import annotations

from collections import defaultdict

from divergence.records import Program, Site
from tests.matching.suite.truth import Values, alike

_SAME = 1e-2  # relative to the spread of a value


def scoped(reference: Values, exported: Values) -> dict[str, str]:
    """Return the value of the exported file that holds each module's result, by the scopes.

    The one value of a module's scope that is read outside of it; without modules that have
    several such values or are called again. A scope alone may lie (an exporter folds a batch
    norm into the convolution and keeps the convolution's scope): the values must agree too.
    """
    leaving = _leaving(exported.program)
    found = {}
    for site in reference.program.sites:
        values = leaving.get(site.name, ()) if site.kind == "module" else ()
        if len(values) == 1 and _agree(reference, site.name, exported, values[0]):
            found[site.name] = values[0]
    return found


def _leaving(program: Program) -> dict[str, list[str]]:
    """Return by scope the values that are made in it and read outside of it."""
    readers: dict[str, set[str]] = defaultdict(set)
    for site in program.sites:
        for name in site.inputs:
            readers[name].add(site.scope)
    leaving: dict[str, list[str]] = defaultdict(list)
    for site in program.sites:
        if site.constant:
            continue
        is_output = site.name in program.outputs
        for scope in _around(site):
            if is_output or not all(_is_within(r, scope) for r in readers[site.name]):
                leaving[scope].append(site.name)
    return leaving


def _around(site: Site) -> list[str]:
    """Return a site's scope and those around it, without the root."""
    parts = site.scope.split(".") if site.scope else []
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _is_within(scope: str, outer: str) -> bool:
    return scope == outer or scope.startswith(f"{outer}.")


def _agree(reference: Values, ours: str, exported: Values, theirs: str) -> bool:
    first, second = reference.content(ours), exported.content(theirs)
    return first is not None and second is not None and alike(first, second, _SAME)
