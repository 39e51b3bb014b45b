"""The report in a notebook cell: verdict, culprits and stages, without scripts."""

from __future__ import annotations

from divergence.report import assets, parts
from divergence.report.document import Document
from divergence.report.markup import Markup, tag


def render(document: Document) -> str:
    """Return HTML with a style of its own that touches nothing else in the notebook."""
    shown = (parts.verdict(document), parts.suspects(document), parts.stages(document.growth))
    return tag("div.divergence.cell", tag("style", Markup(assets.shared_style())), shown)
