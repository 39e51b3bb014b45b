"""CSV, table, figure, notebook cell and page, as text: without a browser."""

import base64
import csv
import hashlib
import io
import json
import re

import pytest

from divergence.report import html, to_csv
from divergence.report.document import build
from divergence.report.rows import COLUMNS
from tests.report import samples

KINDS = ["clean_vit", "divergent_vit", "nonfinite", "partial", "empty", "hostile"]


def test_the_csv_has_a_line_for_each_pair_and_every_column():
    report = samples.hostile('name, with "quotes"\nand lines')
    read = list(csv.DictReader(io.StringIO(to_csv.render(report))))
    assert list(read[0]) == list(COLUMNS)
    assert [row["reference"] for row in read] == [pair.reference for pair in report.pairs]
    assert json.loads(read[0]["shape"]) == [1, 197, 384]
    assert json.loads(read[40]["alignment"]) == {"permutation": [0, 2, 1]}
    assert read[1]["alignment"] == ""


def test_the_csv_writes_what_is_not_finite_as_the_json_does():
    read = list(csv.DictReader(io.StringIO(to_csv.render(samples.nonfinite()))))
    assert read[-1]["max_abs"] == "NaN"
    assert read[-1]["floor_candidate_max_abs"] == "Infinity"


def test_the_table_has_numbers_as_numbers():
    frame = samples.divergent_vit().to_pandas()
    assert frame.shape == (294, len(COLUMNS))
    assert frame["max_abs"].dtype == "float64"
    assert frame.loc[frame["max_abs"].idxmax(), "verdict"] == "divergent"
    assert list(samples.empty().to_pandas().columns) == list(COLUMNS)


@pytest.mark.parametrize("kind", [*KINDS, "large"])
def test_the_figure_draws_every_kind_of_report(kind):
    report = samples.large(3000) if kind == "large" else getattr(samples, kind)()
    figure = report.plot_growth()
    above, below = figure.axes
    figure.canvas.draw()
    assert above.get_yscale() == below.get_yscale() == "log"
    if report.pairs:
        assert len(above.lines[-1].get_xdata()) > 0
        assert len(below.patches) == len(report.stages)


def test_the_figure_names_the_culprit():
    figure = samples.divergent_vit().plot_growth()
    assert "blocks.7.attn::mul#0" in [text.get_text() for text in figure.axes[0].texts]


def test_the_figure_takes_dollars_for_dollars():
    figure = samples.hostile("$\\frac{$").plot_growth()
    figure.canvas.draw()  # mathematics that does not parse would raise


def test_the_notebook_cell_has_no_script_and_escapes_names():
    cell = samples.hostile()._repr_html_()
    assert "<script" not in cell
    assert cell.count("<img") == cell.count('<img class="map" src="data:image/png;base64,') == 1
    assert "&lt;img src=x" in cell
    assert cell.startswith('<div class="divergence cell"><style>.divergence {')


def test_the_page_allows_its_own_style_and_scripts_alone():
    page = html.render(build(samples.hostile()))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    policy = policy.replace("&#x27;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL).group(1)
    for text in (style, script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert page.count("<script") == 2  # the data and the code: no name opened another
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_the_data_of_the_page_cannot_end_its_element():
    page = html.render(build(samples.hostile()))
    held = re.search(r'id="data">(.*?)</script>', page, re.DOTALL).group(1)
    assert "<" not in held
    data = json.loads(held)
    assert data["pairs"][0][0] == "</script><img src=x onerror=\"document.title='owned'\">"
    assert data["columns"] == list(COLUMNS)


def test_the_page_says_the_verdict_first_without_scripts():
    page = html.render(build(samples.divergent_vit()))
    body = page[page.index("<main>") :]
    order = [
        body.index(part) for part in ("<h1>", 'id="culprits"', 'id="ruled-out"', 'id="growth"')
    ]
    assert order == sorted(order)
    assert "attention.scale" in body
    assert "every norm has the epsilon of its module" in body
