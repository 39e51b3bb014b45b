"""How far both sides agree over many inputs: in a line, and as a section of the page."""

from __future__ import annotations

from divergence.records import InputSet
from divergence.report import words
from divergence.report.markup import Markup, tag
from divergence.report.parts import facts, table

MOST_UNREAD = 50


def brief(found: InputSet) -> str:
    """Return the agreement in one line."""
    told = [f"{words.share(found.compared, found.inputs)} compared"]
    told += [f"{name} {figure}" for name, figure in _figures(found)]
    return ", ".join(told)


def unread(found: InputSet) -> str:
    """Return how many inputs were not compared, the first of them and why."""
    if not found.unread:
        return ""
    first, *rest = found.unread
    many = f"{len(found.unread)} inputs; the first, " if rest else ""
    return f"{many}{words.printable(first.input)}: {words.printable(first.reason)}"


def worst(found: InputSet, width: int, cut: str) -> str:
    """Return which input is traced, in at most `width` characters: of a long path the end."""
    name, told = words.printable(found.worst), " (traced here)"
    room = max(width - len(told), len(cut) + 1)
    return (name if len(name) <= room else cut + name[len(cut) - room :]) + told


def render(found: InputSet | None) -> Markup:
    """Return the section's content; nothing where one input was traced."""
    if found is None:
        return Markup()
    known = (
        ("inputs compared", words.share(found.compared, found.inputs)),
        ("worst, traced on this page", words.printable(found.worst)),
        ("its difference, of the scale", words.number(found.greatest_difference)),
        ("greatest error of all", words.number(found.max_abs)),
        *_figures(found),
    )
    return tag("article.card", facts(known), _unread(found))


def _figures(found: InputSet) -> list[tuple[str, str]]:
    figures = {
        "top-1 agreement": _share(found.top1),
        "top-5 agreement": _share(found.top5),
        "detections F1": words.number(found.f1, 3),
        "PSNR": _decibels(found.psnr_db),
        "least PSNR": _decibels(found.psnr_db_least),
        "SSIM": words.number(found.ssim, 4),
        "reference accuracy": _share(found.reference_accuracy),
        "candidate accuracy": _share(found.candidate_accuracy),
    }
    return [(name, figure) for name, figure in figures.items() if figure != "-"]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.5g} %"


def _decibels(value: float | None) -> str:
    return "-" if value is None else f"{words.number(value, 4)} dB"


def _unread(found: InputSet) -> Markup:
    if not found.unread:
        return Markup()
    rows = (
        tag("tr", tag("th", tag("code", one.input), at={"scope": "row"}), tag("td", one.reason))
        for one in found.unread[:MOST_UNREAD]
    )
    return table(("not compared", "why"), rows, "plain")
