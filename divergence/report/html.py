"""The report as one page: self-contained, offline, and deaf to what its data might say.

The policy in its head allows this style and these scripts by their hashes and nothing else:
no network, no inline handlers, no HTML made from text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from divergence.report import assets, detections, input_set, parts, words
from divergence.report.document import Document
from divergence.report.markup import Markup, join, tag
from divergence.report.rows import COLUMNS
from divergence.report.to_json import plain

SCRIPTS = ("format.js", "table.js", "chart.js", "page.js")  # each uses those before it


def render(document: Document) -> str:
    """Return `report.html`."""
    page = tag("html.divergence", _head(document), _body(document), at={"lang": "en"})
    return f"<!doctype html>\n{page}\n"


def _head(document: Document) -> Markup:
    return tag(
        "head",
        tag("meta", at={"charset": "utf-8"}),
        tag("meta", at={"http-equiv": "Content-Security-Policy", "content": _policy()}),
        tag("meta", at={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", at={"name": "color-scheme", "content": "light dark"}),
        tag("title", f"{document.headline}: {document.title}"),
        tag("style", Markup(_style())),
    )


def _body(document: Document) -> Markup:
    return tag(
        "body",
        tag("a.skip", "Skip to the table of pairs", at={"href": "#pairs"}),
        tag("main", parts.verdict(document), _sections(document)),
        tag("footer", "Made by divergence. Every figure is in report.json and pairs.csv."),
        tag("script", Markup(_payload(document)), at={"type": "application/json", "id": "data"}),
        tag("script", Markup(_script())),
    )


def _sections(document: Document) -> Markup:
    outputs, pairs, unpaired = document.outputs, document.pairs, document.unpaired
    return join(
        _section("set", "All inputs", input_set.render(document.input_set)),
        _section("culprits", "What is to blame", parts.suspects(document)),
        _ruled_out(document),
        _section("growth", "How the error grows", _growth(document)),
        _section("outputs", "Outputs", parts.outputs(outputs) if outputs else Markup()),
        _section("detections", "Detections", detections.render(document.detections)),
        _section("pairs", f"Pairs ({len(pairs):,})", _table(pairs)),
        _section("unpaired", f"Unpaired sites ({len(unpaired):,})", _table(unpaired)),
        _section("details", "Details", tag("div.boxes", parts.details(document.details))),
    )


def _section(name: str, title: str, content: Markup) -> Markup:
    """Return a section, or nothing where there is nothing to tell."""
    return tag("section", tag("h2", title), content, at={"id": name}) if content else Markup()


def _ruled_out(document: Document) -> Markup:
    """Return the list, folded where it would push the chart out of sight."""
    if not document.ruled_out:
        return Markup()
    title = tag("summary", tag("h2", f"Ruled out ({len(document.ruled_out):,})"))
    is_open = {"open": ""} if len(document.ruled_out) <= 8 else {}
    folded = tag("details", title, parts.ruled_out(document), at=is_open)
    return tag("section", folded, at={"id": "ruled-out"})


def _growth(document: Document) -> Markup:
    if not document.pairs:
        return Markup()
    without = "The chart by pair and the tables need scripts; every figure is in pairs.csv."
    return join(
        tag("noscript", tag("p.muted", without)),
        tag("div.chart", at={"id": "chart"}),
        parts.stages(document.growth),
    )


def _table(records: tuple[Any, ...]) -> Markup:
    return tag("div.table") if records else Markup()


def _payload(document: Document) -> str:
    """Return the data as JSON that cannot end its element: every `<` is escaped."""
    data = {
        "axis": [document.growth.axis.low, document.growth.axis.high],
        "signs": parts.SIGNS,
        "culprits": [[one.pair, one.title] for one in document.suspects],
        "columns": list(COLUMNS),
        "pairs": [[read(pair) for read in COLUMNS.values()] for pair in document.pairs],
        "unpaired": [[one.side, one.site, one.reason] for one in document.unpaired],
    }
    text = json.dumps(_legible(plain(data)), ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _legible(value: Any) -> Any:
    """Return the data with control characters escaped in every name, figures to six digits."""
    if isinstance(value, list):
        return [_legible(v) for v in value]
    if isinstance(value, dict):
        return {k: _legible(v) for k, v in value.items()}
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return words.printable(value) if isinstance(value, str) else value


def _policy() -> str:
    return (
        f"default-src 'none'; style-src {_hash(_style())}; script-src {_hash(_script())}; "
        "img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _style() -> str:
    return assets.shared_style() + assets.read("page.css")


def _script() -> str:
    return '"use strict";(() => {\n' + "\n".join(map(assets.read, SCRIPTS)) + "})();"
