"""Style and scripts of the page, written by hand: no third-party code, nothing from a network."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def read(name: str) -> str:
    """Return the text of an asset."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def shared_style() -> str:
    """Return the style of the parts that the page and a notebook share.

    It is nested below one class, so that in a notebook it touches nothing else.
    """
    return f".divergence {{\n{read('base.css')}}}\n"
