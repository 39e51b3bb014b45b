"""The report as one page that works offline."""

from __future__ import annotations

from html import escape

from divergence.report.document import Document


def render(document: Document) -> str:
    """Return `report.html`."""
    return f"<!doctype html><title>{escape(document.title)}</title><p>{escape(document.sentence)}"
