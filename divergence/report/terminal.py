"""The report in a terminal: at most 25 lines, of use without colour, piped, and in ASCII."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from divergence.records import InputSet, PairVerdict, Status
from divergence.report import detections, input_set, words
from divergence.report.document import Cause, Document, Suspect
from divergence.report.growth import Axis, Bar, grouped

if TYPE_CHECKING:
    from rich.console import Console

LINES = 25
COLOURS = {
    Status.IDENTICAL: "green",
    Status.ROUNDING: "green",
    Status.DIVERGENT: "red",
    Status.INCONCLUSIVE: "yellow",
    PairVerdict.IDENTICAL: "green",
    PairVerdict.ROUNDING: "green",
    PairVerdict.DIVERGENT: "red",
    PairVerdict.NONFINITE: "magenta",
    PairVerdict.NOT_COMPARABLE: "yellow",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that a terminal can show."""

    blocks: str  # parts of a cell, from the smallest to a whole one
    floor: str
    arrow: str
    cut: str


UNICODE = Glyphs(blocks="▏▎▍▌▋▊▉█", floor="│", arrow="→", cut="…")
ASCII = Glyphs(blocks="#", floor="|", arrow="->", cut="..")


def show(document: Document, console: Console, where: str | None) -> None:
    """Print the report on a console. where: the path of the written report, None for none."""
    unicode = console.encoding.lower().replace("-", "").startswith("utf")
    for line in render(document, where, console.width, UNICODE if unicode else ASCII):
        safe = line if unicode else _encodable(line, console.encoding)
        console.print(safe, no_wrap=True, overflow="crop", crop=True, highlight=False)


def verdict_line(document: Document) -> str:
    """Return the verdict in one line, as `divergence check` prints it.

    A reader finds the status as the first word, in the words of `report.json`.
    """
    partial = " (partial)" if document.partial else ""
    found = document.input_set
    of_set = f" That is of the worst input; {input_set.brief(found)}." if found is not None else ""
    return f"{document.status.value}{partial}: {document.sentence}{of_set}"


def render(document: Document, where: str | None, width: int, glyphs: Glyphs) -> list[Text]:
    """Return the lines of the report, each at most `width` wide and at most 25 in all."""
    width = max(width, 40)
    head = _verdict(document, width, glyphs)
    accused = _accused(document, width, glyphs)
    foot = _foot(document, where, width, glyphs)
    # Blank lines stand before the culprits, before the stages and before the foot.
    room = LINES - len(head) - len(accused) - len(foot) - 3
    stages = _stages(document, width, glyphs, room)
    blocks = [block for block in (head, accused, stages, foot) if block]
    lines = [line for block in blocks for line in (*block, Text())][:-1]
    for line in lines:
        _cut(line, width, glyphs)
    return lines


def _verdict(document: Document, width: int, glyphs: Glyphs) -> list[Text]:
    colour = COLOURS[document.status]
    label = document.headline.upper() + (" (PARTIAL)" if document.partial else "")
    wrapped = textwrap.wrap(
        f"{label}  {document.sentence}", width, max_lines=4, placeholder=f" {glyphs.cut}"
    )
    first, *rest = wrapped
    head = Text.assemble((first[: len(label)], f"bold {colour}"), first[len(label) :])
    return [head, *map(Text, rest)]


def _accused(document: Document, width: int, glyphs: Glyphs) -> list[Text]:
    """Return what is to blame: the first cause in full, the others in a line each."""
    lines: list[Text] = []
    for place, cause in enumerate(document.causes[:2]):
        lines += _cause(cause, width, glyphs) if place == 0 else _brief(cause)
    for rank, suspect in enumerate(document.suspects[:3]):
        lines.append(_suspect(suspect))
        if rank == 0:
            lines.append(_labelled("nodes", _listed(suspect.nodes, width - 9, glyphs)))
            for cause in suspect.causes[:1]:
                lines += _brief(cause) if document.causes else _cause(cause, width, glyphs)
    more = len(document.suspects) - 3
    if more > 0:
        lines.append(Text(f"         and {more} more in the report"))
    return lines


def _brief(cause: Cause) -> list[Text]:
    return [_labelled("cause", f"{cause.cause} ({cause.certainty}): {cause.explanation}")]


def _suspect(suspect: Suspect) -> Text:
    return Text.assemble(
        (f"{'culprit':9}", "bold red"),
        (words.printable(suspect.title), "bold"),
        f"  {suspect.added}",
    )


def _cause(cause: Cause, width: int, glyphs: Glyphs) -> list[Text]:
    told = textwrap.wrap(
        f"{cause.cause} ({cause.certainty}): {cause.explanation}",
        width - 9,
        max_lines=2,
        placeholder=f" {glyphs.cut}",
    )
    lines = [_labelled("cause" if n == 0 else "", line) for n, line in enumerate(told)]
    if cause.evidence:
        name, reference, candidate = cause.evidence[0]
        lines.append(_labelled("", f"{name}: reference {reference}, candidate {candidate}"))
    if cause.proof:
        before, after = (
            words.number(cause.proof.error_before),
            words.number(cause.proof.error_after),
        )
        change = f"{words.proved(cause.proof)} {before} {glyphs.arrow} {after}"
        lines.append(_labelled("proof", f"{change}: {words.printable(cause.proof.action)}"))
    elif cause.remedy:
        lines.append(_labelled("remedy", cause.remedy))
    return lines


def _labelled(label: str, text: str) -> Text:
    return Text.assemble((f"{label:>7}  ", "dim"), text)


def _listed(names: tuple[str, ...], width: int, glyphs: Glyphs) -> str:
    """Return as many names as fit, and how many do not."""
    shown = [words.printable(name) for name in names]
    for count in range(len(shown), 0, -1):
        left = len(shown) - count
        text = ", ".join(shown[:count]) + (f", {left} more" if left else "")
        if len(text) <= width or count == 1:
            return text
    return f"none: the two values stand beside each other {glyphs.cut}"


def _foot(document: Document, where: str | None, width: int, glyphs: Glyphs) -> list[Text]:
    sides = ", ".join(f"{name} {told}" for name, told in document.coverage)
    lines = [Text.assemble(("coverage ", "dim"), sides)]
    if document.outputs:
        worst = ", ".join(
            f"{words.number(pair.metrics.max_abs)} ({words.printable(pair.candidate)})"
            for pair in document.outputs[:4]
        )
        lines.append(Text.assemble(("outputs  ", "dim"), f"greatest error: {worst}"))
    if document.half:
        lines.append(Text.assemble(("float16  ", "dim"), document.half))
    if document.input_set is not None:
        lines += _of_set(document.input_set, width, glyphs)
    if document.detections is not None:
        lines.append(Text.assemble(("boxes    ", "dim"), detections.brief(document.detections)))
    if where is not None:
        lines.append(Text.assemble(("report   ", "dim"), (where, "bold")))
    return lines


def _of_set(found: InputSet, width: int, glyphs: Glyphs) -> list[Text]:
    """Return what is said of many inputs: their agreement, the worst, what could not be read."""
    room = width - len("inputs   ")
    told = [(" " * 6, text) for text in textwrap.wrap(input_set.brief(found), room)]
    told[0] = ("inputs", told[0][1])
    told.append(("worst ", input_set.worst(found, room, glyphs.cut)))
    if found.unread:
        told.append(("unread", input_set.unread(found)))
    return [Text.assemble((f"{label}   ", "dim"), text) for label, text in told]


def _stages(document: Document, width: int, glyphs: Glyphs, room: int) -> list[Text]:
    """Return a header and a line a stage; where there are too many, neighbours share one."""
    if not document.growth.bars or room < 2:
        return []
    bars = grouped(document.growth.bars, room - 1)
    names = min(max(len(_name(bar, glyphs)) for bar in bars), width // 3)
    names = max(names, len("stage"))
    axis = document.growth.axis
    header = _header(axis, names, width, glyphs)
    return [header, *(_stage(bar, axis, names, width, glyphs) for bar in bars)]


def _name(bar: Bar, glyphs: Glyphs) -> str:
    names = [words.printable(name) for name in (bar.stage.name, bar.last) if name]
    return f" {glyphs.cut} ".join(names)


def _header(axis: Axis, names: int, width: int, glyphs: Glyphs) -> Text:
    low, high = f"1e{axis.low:+03d}", f"1e{axis.high:+03d}"
    bar = _bar_width(names, width)
    legend = f"{glyphs.floor} floor"
    inner = f"{low}{legend:^{max(0, bar - len(low) - len(high))}}{high}"
    return Text(f"{'stage':{names}} {'pairs':>5} {'max_abs':>8} {'floor':>8}  {inner}", "dim")


def _stage(bar: Bar, axis: Axis, names: int, width: int, glyphs: Glyphs) -> Text:
    stage = bar.stage
    name = _name(bar, glyphs)
    name = name if len(name) <= names else name[: names - len(glyphs.cut)] + glyphs.cut
    nonfinite = stage.verdict is PairVerdict.NONFINITE
    drawn = "not finite" if nonfinite else _bar(bar, axis, _bar_width(names, width), glyphs)
    return Text.assemble(
        (f"{name:{names}}", "bold red" if bar.culprit else ""),
        f" {stage.pairs:>5} {words.number(stage.max_abs):>8} {words.multiple(bar.multiple):>8}  ",
        (drawn, COLOURS[stage.verdict]),
        ("  culprit" if bar.culprit else "", "bold red"),
    )


def _bar_width(names: int, width: int) -> int:
    return max(10, width - names - 5 - 8 - 8 - 5 - len("  culprit"))


def _bar(bar: Bar, axis: Axis, width: int, glyphs: Glyphs) -> str:
    filled = (axis.position(bar.stage.max_abs) or 0.0) * width
    whole, rest = int(filled), filled % 1
    part = glyphs.blocks[int(rest * len(glyphs.blocks))] if rest > 0 and whole < width else ""
    cells = list(f"{glyphs.blocks[-1] * whole}{part}".ljust(width))
    floor = axis.position(bar.stage.floor_max_abs)
    if floor is not None:
        cells[min(width - 1, int(floor * width))] = glyphs.floor
    return "".join(cells).rstrip() if not bar.culprit else "".join(cells)


def _cut(line: Text, width: int, glyphs: Glyphs) -> None:
    if len(line) > width:
        line.right_crop(len(line) - width + len(glyphs.cut))
        line.append(glyphs.cut)


def _encodable(line: Text, encoding: str) -> Text:
    """Return the line with what the terminal cannot show escaped."""
    plain = line.plain.encode(encoding, "backslashreplace").decode(encoding)
    return line if plain == line.plain else Text(plain)
