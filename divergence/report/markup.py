"""HTML in pieces: what is not already markup is escaped, so no name can become a tag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from divergence.report.words import printable

VOID = frozenset({"meta", "img", "rect"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(
    kind: str, *children: str | Iterable[str], at: Mapping[str, str | float] | None = None
) -> Markup:
    """Return an element; `kind` is its name and classes.

    >>> tag("p.note", "a < b", at={"id": "x"})
    '<p class="note" id="x">a &lt; b</p>'
    """
    name, *classes = kind.split(".")
    attributes = ({"class": " ".join(classes)} if classes else {}) | dict(at or {})
    written = "".join(f' {k}="{escape(printable(str(v)))}"' for k, v in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str | Iterable[str]) -> Markup:
    """Return children one after another, escaped where they are not markup."""
    return Markup("".join(_one(child) for child in children))


def _one(child: str | Iterable[str]) -> str:
    if isinstance(child, Markup):
        return child
    return escape(printable(child)) if isinstance(child, str) else join(*child)
