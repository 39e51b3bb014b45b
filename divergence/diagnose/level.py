"""The candidate with its bodies laid out: what diagnosis cuts, feeds and changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from divergence.capture.flattening import Flat
from divergence.capture.onnx_program import onnx_program
from divergence.capture.onnx_runner import OnnxRunner
from divergence.records import Call, Program, Site

# Key of `Site.attributes`: the node's own name in the file, where it came out of a body.
OWN_NAME = "divergence.own_name"


@dataclass(frozen=True, slots=True)
class Level:
    """A file whose values are all at the top, and its program."""

    runner: OnnxRunner
    program: Program


def level(runner: OnnxRunner, call: Call, program: Program) -> Level:
    """Lay out what is in bodies; a file without them, or that cannot be, is left as it is.

    program: of the file as given, with the shapes that a run has shown.
    """
    flat = runner.flat(call)
    if flat is None:
        return Level(runner, program)
    settings = runner.settings
    laid_out = OnnxRunner(
        flat.file,
        settings.provider,
        memory=runner.memory,
        threads=settings.threads,
        disabled_optimizers=settings.disabled,
    )
    return Level(laid_out, _program(flat, call, program))


def _program(flat: Flat, call: Call, program: Program) -> Program:
    """Return the laid-out file's program; what a run has shown of a value is known of it."""
    shapes = {name: value.shape for name, value in call.kwargs.items()}
    known = {site.name: site for site in program.sites}
    made = onnx_program(flat.file, shapes)
    sites = (replace(s, attributes={**s.attributes, **_own(s, flat)}) for s in made.sites)
    return replace(made, sites=tuple(told(s, known.get(s.name)) for s in sites))


def _own(site: Site, flat: Flat) -> dict[str, str]:
    own = flat.nodes.get(site.node)
    return {} if own is None else {OWN_NAME: own}


def told(site: Site, known: Site | None) -> Site:
    """Return a site with what is known of the same value in another program."""
    if known is None:
        return site
    own = known.attributes.get(OWN_NAME)
    attributes = {**site.attributes, OWN_NAME: own} if own else site.attributes
    shape = site.shape if known.shape is None else known.shape
    return replace(site, shape=shape, dtype=known.dtype or site.dtype, attributes=attributes)
