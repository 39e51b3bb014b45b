"""The terminal: few lines, in any terminal, saying what matters."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from divergence.records import Verdict
from divergence.report import terminal
from divergence.report.document import build
from tests.report import samples

KINDS = ["clean_vit", "divergent_vit", "nonfinite", "partial", "empty", "hostile"]


def lines(report, width=80, glyphs=terminal.UNICODE):
    shown = terminal.render(build(report), "divergence-report/report.html", width, glyphs)
    return [line.plain for line in shown]


def many_stages(count=60):
    return samples.clean_vit(pairs_per_block=2, blocks=count)


def printed(report, encoding):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(file=file, width=80, highlight=False)
    terminal.show(build(report), console, None)
    file.flush()
    return raw.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("glyphs", [terminal.UNICODE, terminal.ASCII])
def test_it_fits(kind, width, glyphs):
    shown = lines(getattr(samples, kind)(), width, glyphs)
    assert len(shown) <= 25
    assert max(map(len, shown)) <= width
    if glyphs is terminal.ASCII:
        assert all(line.isascii() for line in shown)


def test_a_long_sentence_and_many_culprits_fit():
    report = samples.divergent_vit()
    report = replace(
        report,
        verdict=Verdict(report.verdict.status, "word " * 300),
        culprits=report.culprits * 9,
        findings=report.findings * 3 + (replace(report.findings[0], culprit=None),) * 4,
    )
    assert len(lines(report)) <= 25


def test_it_tells_verdict_culprit_cause_proof_coverage_and_place():
    text = "\n".join(lines(samples.divergent_vit(), width=100))
    for told in (
        "DIVERGENT",
        "blocks.7.attn",
        "/blocks/blocks.7/attn/Mul",
        "attention.scale (98 %)",
        "reference 0.125, candidate 1",
        "2.4 → 3.1e-06",
        "reference 294 of 306 (96 %)",
        "divergence-report/report.html",
    ):
        assert told in text


def test_the_stage_of_the_culprit_is_marked():
    (marked,) = [line for line in lines(samples.divergent_vit()) if line.endswith("culprit")]
    assert marked.startswith("blocks.7 ")


def test_stages_that_do_not_fit_share_a_line():
    report = many_stages()
    shown = lines(report)
    assert len(shown) <= 25
    rows = [line for line in shown if "█" in line]
    assert len(rows) > 10
    assert any(" … blocks." in row for row in rows)
    counts = [int(row[: row.index("e-")].split()[-2]) for row in rows]
    assert sum(counts) == len(report.pairs)


def test_a_stage_with_a_culprit_shares_its_line_with_none():
    report = samples.divergent_vit()
    assert len(lines(report)) == 25
    (marked,) = [line for line in lines(report) if line.endswith("culprit")]
    assert "…" not in marked


def test_the_longest_bar_is_the_greatest_error():
    report = samples.divergent_vit()
    bars = {
        line.split()[0]: line.count("█") for line in lines(report) if line.startswith("blocks.")
    }
    worst = max(report.stages, key=lambda stage: stage.max_abs)
    assert bars[worst.name] == max(bars.values())


def test_a_partial_run_says_so():
    assert lines(samples.partial())[0].startswith("INCONCLUSIVE (PARTIAL)")


def test_piped_it_has_no_colour_and_in_latin_1_no_surprise():
    assert b"\x1b" not in printed(samples.divergent_vit(), "utf-8")
    assert printed(samples.divergent_vit(), "latin-1").isascii()


def test_names_that_an_encoding_lacks_are_escaped():
    shown = printed(samples.hostile("Schicht-ä-层"), "ascii")
    assert b"Schicht-\\xe4-\\u5c42" in shown


def test_a_name_cannot_steer_the_terminal():
    shown = printed(samples.hostile("x\x1b[2J\x07[red]"), "utf-8")
    assert b"\x1b" not in shown
    assert b"x\\x1b[2J\\x07[red]" in shown


def test_in_colour_it_says_the_same():
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system="truecolor")
    terminal.show(build(samples.divergent_vit()), console, None)
    assert "\x1b[1;31mDIVERGENT" in file.getvalue()


def test_the_verdict_line_begins_with_the_status():
    line = terminal.verdict_line(build(samples.partial()))
    assert line.startswith("inconclusive (partial): Interrupted after 75 pairs")
