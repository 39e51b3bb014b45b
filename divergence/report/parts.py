"""The parts of the report that need no script: shared by the page and the notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from divergence.records import Pair, PairVerdict, Proof
from divergence.report import profiles, words
from divergence.report.document import Cause, Document, Facts, Section, Suspect
from divergence.report.growth import Axis, Bar, Growth
from divergence.report.markup import Markup, join, tag

LONG = 200  # characters of a sentence from which it is set smaller

# A sign beside each colour: nothing is told by colour alone.
SIGNS = {
    PairVerdict.IDENTICAL: "=",
    PairVerdict.ROUNDING: "≈",
    PairVerdict.DIVERGENT: "≠",
    PairVerdict.NONFINITE: "∞",
    PairVerdict.NOT_COMPARABLE: "?",
}


def verdict(document: Document) -> Markup:
    """Return the sentence first, then the figures that a reader looks for."""
    partial = tag("span.badge.partial", "partial") if document.partial else ""
    tiles = (tag("div.tile", tag("dd", value), tag("dt", name)) for name, value in document.glance)
    return tag(
        f"header.verdict.{document.status.value}",
        tag("p.status", tag("span.badge", document.headline), partial),
        tag("h1" if len(document.sentence) < LONG else "h1.lengthy", _named(document.sentence)),
        tag("p.sides", document.title),
        tag("dl.tiles", tiles),
    )


def _named(sentence: str) -> list[str]:
    """Return a sentence with the names that stand between backticks as code."""
    pieces = sentence.split("`")
    return [tag("code", piece) if n % 2 else piece for n, piece in enumerate(pieces)]


def suspects(document: Document) -> Markup:
    """Return each culprit with its causes, then the causes that belong to none."""
    axis = document.growth.axis
    cards = [_suspect(rank, one, axis) for rank, one in enumerate(document.suspects)]
    cards += [tag("article.card", _cause(cause, axis)) for cause in document.causes]
    return join(cards)


def _suspect(rank: int, suspect: Suspect, axis: Axis) -> Markup:
    causes = [_cause(cause, axis) for cause in suspect.causes] or [
        tag("p.muted", "No known cause explains this segment.")
    ]
    title = tag("span", suspect.title, at={"data-pair": suspect.pair})
    return tag(
        "article.card.culprit",
        tag("h3", tag("span.rank", f"{rank + 1}"), title, tag("span.added", suspect.added)),
        tag(
            "dl.where",
            _fact("reference", tag("code", suspect.reference)),
            _fact("candidate", tag("code", suspect.candidate)),
            _fact("nodes", _nodes(suspect.nodes)),
            _fact("stage", suspect.stage),
        ),
        causes,
        profiles.render(suspect.profile) if suspect.profile else "",
    )


def _nodes(nodes: Sequence[str]) -> Markup:
    chips = [tag("code.chip", node) for node in nodes[:12]]
    more = [tag("span.muted", f"and {len(nodes) - 12} more")] if len(nodes) > 12 else []
    return tag("span.chips", [*chips, *more] or "none: the two values stand beside each other")


def _cause(cause: Cause, axis: Axis) -> Markup:
    return tag(
        "section.cause",
        tag("h4", tag("code", cause.cause), tag("span.muted", f"{cause.certainty} certain")),
        tag("p", cause.explanation),
        _evidence(cause),
        _proof(cause.proof, axis) if cause.proof else "",
        tag("p.remedy", tag("b", "Remedy "), cause.remedy) if cause.remedy else "",
        facts(cause.parameters) if cause.parameters else "",
    )


def _evidence(cause: Cause) -> Markup:
    if not cause.evidence:
        return Markup()
    rows = (
        tag(
            "tr",
            tag("th", name, at={"scope": "row"}),
            tag("td", ours),
            tag("td.differs" if its != ours else "td", its),
        )
        for name, ours, its in cause.evidence
    )
    return table(("evidence", "reference", "candidate"), rows, "evidence")


def _proof(proof: Proof, axis: Axis) -> Markup:
    """Return the final error before and after the cause was undone, as two bars."""
    both = Axis.over(10.0**axis.low, 10.0**axis.high, proof.error_before, proof.error_after)
    return tag(
        "div.proof",
        tag("p", tag("b", "Proof "), f"undone in memory and run again: {proof.action}"),
        tag(
            "dl",
            tag("dt", f"{words.proved(proof)}, before"),
            tag("dd", bar(both, proof.error_before, "bad"), words.number(proof.error_before)),
            tag("dt", "after"),
            tag("dd", bar(both, proof.error_after, "good"), words.number(proof.error_after)),
        ),
    )


def ruled_out(document: Document) -> Markup:
    """Return what was looked for and is not the case."""
    rows = (
        tag("tr", tag("th", tag("code", one.cause), at={"scope": "row"}), tag("td", one.reason))
        for one in document.ruled_out
    )
    return table(("cause", "why it is ruled out"), rows, "plain")


def stages(growth: Growth) -> Markup:
    """Return a row a stage: its greatest error and what it adds, with the floor as a mark."""
    head = ("stage", ">pairs", ">max_abs", ">of the floor", ">introduced", "")
    return table(head, (_stage(bar_, growth.axis) for bar_ in growth.bars), "stages")


def _stage(one: Bar, axis: Axis) -> Markup:
    stage = one.stage
    nonfinite = stage.verdict is PairVerdict.NONFINITE
    drawn = bar(
        axis,
        10.0**axis.high if nonfinite else stage.max_abs,
        stage.verdict.value,
        floor=stage.floor_max_abs,
        introduced=stage.introduced_max_abs,
    )
    name = tag("span", stage.name, at={"data-stage": stage.name})
    mark = tag("span.flag", " culprit") if one.culprit else ""
    return tag(
        "tr.culprit" if one.culprit else "tr",
        tag("th", name, mark, at={"scope": "row"}),
        tag("td.num", f"{stage.pairs:,}"),
        tag("td.num", "not finite" if nonfinite else words.number(stage.max_abs)),
        tag("td.num", words.multiple(one.multiple)),
        tag("td.num", words.number(stage.introduced_max_abs)),
        tag("td.wide", drawn),
    )


def bar(
    axis: Axis,
    value: float,
    colour: str,
    *,
    floor: float | None = None,
    introduced: float | None = None,
) -> Markup:
    """Return a value as a bar on a logarithmic axis; floor as a line, introduced as a dot."""
    length = axis.position(value)
    marks = [tag("rect.rail", at={"width": 1000, "height": 10, "y": 3})]
    if length is not None:
        width = round(1000 * max(length, 0.004), 1)
        marks.append(tag(f"rect.fill.{colour}", at={"width": width, "height": 10, "y": 3}))
    for kind, at in (("introduced", introduced), ("floor", floor)):
        place = axis.position(at)
        if place is not None:
            x = round(min(1000 * place, 994), 1)
            marks.append(tag(f"rect.{kind}", at={"x": x, "width": 6, "height": 16}))
    view = {"viewBox": "0 0 1000 16", "preserveAspectRatio": "none", "aria-hidden": "true"}
    return tag("svg.bar", marks, at=view)


def outputs(pairs: Sequence[Pair]) -> Markup:
    """Return the model outputs in a small table."""
    head = (
        "output", "candidate", ">shape", ">max_abs", ">rmse", ">cosine", ">of the floor", "verdict",
    )  # fmt: skip
    return table(head, map(_output, pairs), "plain")


def _output(pair: Pair) -> Markup:
    floor = pair.floor.multiple if pair.floor else None
    figures = (
        words.shape(pair.shape),
        words.number(pair.metrics.max_abs),
        words.number(pair.metrics.rmse),
        words.number(pair.metrics.cosine, digits=6),
        words.multiple(floor),
    )
    return tag(
        "tr",
        tag("th", tag("code", pair.reference), at={"scope": "row"}),
        tag("td", tag("code", pair.candidate)),
        (tag("td.num", figure) for figure in figures),
        tag("td", chip(pair.verdict)),
    )


def chip(said: PairVerdict) -> Markup:
    """Return a verdict with its sign."""
    return tag(f"span.said.{said.value}", f"{SIGNS[said]} {said.value.replace('_', ' ')}")


def details(sections: Iterable[Section]) -> Markup:
    """Return the facts about models, inputs, environment, timing and options."""
    return join(tag("section.box", tag("h3", one.title), facts(one.facts)) for one in sections)


def facts(given: Facts) -> Markup:
    """Return names and values."""
    return tag("dl.facts", (_fact(name, value) for name, value in given))


def _fact(name: str, value: str) -> Markup:
    return join(tag("dt", name), tag("dd", value))


def table(head: Sequence[str], rows: Iterable[Markup], kind: str) -> Markup:
    """Return a table that scrolls sideways where it is too wide; `>` marks a column of figures."""
    titles = (
        tag("th.num" if title.startswith(">") else "th", title.lstrip(">"), at={"scope": "col"})
        for title in head
    )
    body = tag(f"table.{kind}", tag("thead", tag("tr", titles)), tag("tbody", rows))
    scrolls = {"tabindex": "0", "role": "region", "aria-label": f"table: {head[0]}"}
    return tag("div.scroll", body, at=scrolls)
