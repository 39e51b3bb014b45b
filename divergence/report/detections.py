"""How far the detections of both sides agree: in a line, and as a section of the page."""

from __future__ import annotations

from collections.abc import Iterable

from divergence.records import Detections, ScoreCut
from divergence.report import words
from divergence.report.markup import Markup, tag
from divergence.report.parts import table
from divergence.report.profiles import histogram

_PICTURE = "data:image/png;base64,"


def brief(found: Detections) -> str:
    """Return the agreement in one line."""
    at = found.at
    return (
        f"F1 {words.number(at.f1)} at score {at.threshold:g} (precision "
        f"{words.number(at.precision)}, recall {words.number(at.recall)}): reference "
        f"{at.reference}, candidate {at.candidate}, both {at.matched}"
    )


def render(found: Detections | None) -> Markup:
    """Return the section's content; nothing where there are no detections."""
    if found is None:
        return Markup()
    scores = histogram("scores: ", found.edges, found.reference_scores, found.candidate_scores)
    picture = _picture(found.picture)
    told = (
        f"{brief(found)}. The same are boxes of one class that overlap by {found.iou:g} and more."
    )
    return tag(
        "article.card", tag("p", told), tag("div.profile", picture, scores), _cuts(found.cuts)
    )


def _picture(address: str) -> Markup:
    """Return the image with both sides' boxes; an address of another kind is none."""
    if not address.startswith(_PICTURE):
        return Markup()
    caption = tag(
        "figcaption",
        "blue: reference, orange: candidate; thick lines are boxes that one side alone has",
    )
    alt = "the image with the boxes of both sides"
    return tag("figure.drawn", caption, tag("img", at={"src": address, "alt": alt}))


def _cuts(cuts: Iterable[ScoreCut]) -> Markup:
    head = (
        "score at least", ">reference", ">candidate", ">both", ">precision", ">recall", ">F1",
    )  # fmt: skip
    return table(head, map(_cut, cuts), "plain")


def _cut(one: ScoreCut) -> Markup:
    figures = (
        f"{one.reference:,}",
        f"{one.candidate:,}",
        f"{one.matched:,}",
        words.number(one.precision),
        words.number(one.recall),
        words.number(one.f1),
    )
    threshold = tag("th", f"{one.threshold:g}", at={"scope": "row"})
    return tag("tr", threshold, (tag("td.num", figure) for figure in figures))
