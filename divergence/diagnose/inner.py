"""Which of the reference's values inside a segment detectors look at."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from divergence.diagnose.masking import mask_values
from divergence.records import Site

# ATen ops that combine two values, and the ONNX operator that does the same.
BINARY: Final[Mapping[str, str]] = {"add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div"}


def inner_values(sites: Sequence[Site], moving: Collection[str]) -> set[str]:
    """Return the names of what masks are read off, of operands, and of what no input changes.

    sites: of the reference's segment. moving: those that depend on an input.
    """
    operands = {name for site in sites if site.op in BINARY for name in site.inputs}
    return mask_values(sites) | operands | fixed_values(sites, moving)


def fixed_values(sites: Sequence[Site], moving: Collection[str]) -> set[str]:
    """Return the names of values that no input changes, where something is made of them."""
    read = {name for site in sites if site.name in moving for name in site.inputs}
    return read.difference(moving)
