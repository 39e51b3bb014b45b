"""The page in a browser: it shows what it should, lets one work, and runs nothing from names."""

import pytest

from divergence.report import html
from divergence.report.document import build
from tests.report import samples
from tests.report.browser import Browser, executable

pytestmark = pytest.mark.skipif(executable() is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture
def shown(browser, tmp_path):
    """Open the page of a report."""

    def show(report):
        page = tmp_path / "report.html"
        page.write_text(html.render(build(report)), encoding="utf-8")
        browser.open(page)
        return browser

    return show


def rows(browser):
    return browser.value(
        "[...document.querySelectorAll('#pairs tbody tr[aria-rowindex]')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )


def click(browser, selector, place=0):
    browser.value(f"document.querySelectorAll({selector!r})[{place}].click()")
    browser.settle()


def type_into(browser, selector, text):
    browser.value(
        f"(() => {{ const field = document.querySelector({selector!r}); field.value = {text!r};"
        "field.dispatchEvent(new Event('input')); field.dispatchEvent(new Event('change')) })()"
    )
    browser.settle()


@pytest.mark.parametrize(
    "name", ["clean_vit", "divergent_vit", "nonfinite", "partial", "empty", "hostile"]
)
def test_every_kind_of_report_shows_without_a_complaint(shown, name):
    report = getattr(samples, name)()
    browser = shown(report)
    assert browser.complaints == []
    assert len(rows(browser)) == min(len(report.pairs), len(rows(browser)))
    assert bool(rows(browser)) == bool(report.pairs)
    sentence = build(report).sentence.replace("`", "")
    assert browser.value("document.querySelector('h1').textContent") == sentence


def test_names_from_the_files_stay_text(shown):
    browser = shown(samples.hostile())
    assert "owned" not in browser.value("document.title").lower()
    drawn = browser.value("[...document.images].map(image => image.className)")
    assert drawn == ["map"]
    assert any("<img src=x" in cell for cell in rows(browser)[0])
    assert browser.complaints == []


def test_nothing_is_asked_of_a_network(shown):
    browser = shown(samples.divergent_vit())
    asked = browser.value("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert asked == []


def test_500_pairs_are_there_within_two_seconds(shown):
    browser = shown(samples.large(500))
    assert int(browser.value("document.documentElement.dataset.ready")) < 2000


def test_10000_pairs_keep_the_page_small(shown):
    browser = shown(samples.large(10_000))
    assert browser.value("document.querySelectorAll('#pairs tbody tr').length") < 100
    assert (
        browser.value("document.querySelector('path.observed').getAttribute('d').length") < 60_000
    )
    browser.value("document.querySelector('#pairs .frame').scrollTop = 9000 * 28")
    browser.settle()
    assert any(int(row[0]) > 9000 for row in rows(browser))


def test_columns_sort_figures_from_the_greatest(shown):
    report = samples.divergent_vit()
    browser = shown(report)
    titles = browser.texts("#pairs thead th")
    click(browser, "#pairs thead button", titles.index("max_abs"))
    greatest = max(report.pairs, key=lambda pair: pair.metrics.max_abs)
    assert rows(browser)[0][1] == greatest.reference
    click(browser, "#pairs thead button", titles.index("max_abs"))
    least = min(report.pairs, key=lambda pair: pair.metrics.max_abs)
    assert rows(browser)[0][1] == least.reference


def test_what_is_not_finite_is_sorted_as_the_worst(shown):
    browser = shown(samples.nonfinite())
    titles = browser.texts("#pairs thead th")
    click(browser, "#pairs thead button", titles.index("max_abs"))
    assert rows(browser)[0][titles.index("max_abs")] == "NaN"


def test_text_verdict_and_stage_filter_together(shown):
    browser = shown(samples.divergent_vit())
    type_into(browser, "#pairs input", "SOFTMAX attn")
    assert browser.texts("#pairs output") == ["12 of 294"]
    type_into(browser, "#pairs select", "divergent")
    assert all("softmax" in row[1] and "divergent" in row[11] for row in rows(browser))
    assert browser.texts("#pairs output") == ["5 of 294"]


def test_a_culprit_leads_to_its_row(shown):
    report = samples.divergent_vit()
    browser = shown(report)
    click(browser, ".culprit h3 button")
    chosen = browser.texts("#pairs tr[aria-selected=true] td:nth-child(2)")
    assert chosen == [report.culprits[0].reference]
    assert "blocks.7.attn::mul#0" in browser.texts(".inspector")[0]


def test_a_stage_leads_to_its_part_of_the_chart(shown):
    browser = shown(samples.clean_vit())
    click(browser, "[data-stage='blocks.3'] button")
    assert browser.texts("#chart output") == ["pairs 76 to 99 of 294"]
    assert all(row[3] == "blocks.3" for row in rows(browser))


def pointer(browser, kind, share):
    browser.value(
        "(() => { const svg = document.querySelector('svg.growth');"
        "const box = svg.getBoundingClientRect();"
        f"svg.dispatchEvent(new PointerEvent('pointer{kind}', {{bubbles: true, pointerId: 1,"
        f"clientX: box.left + box.width * {share}, clientY: box.top + 100}})) }})()"
    )


def test_the_chart_tells_names_and_figures_under_the_pointer(shown):
    browser = shown(samples.clean_vit())
    pointer(browser, "move", 0.5)
    told = browser.texts(".tip")[0]
    assert "blocks." in told
    assert "observed" in told
    assert "floor" in told


def test_a_drag_zooms_and_all_shows_everything_again(shown):
    browser = shown(samples.clean_vit())
    browser.value("SVGElement.prototype.setPointerCapture = () => {}")  # no real pointer is down
    pointer(browser, "down", 0.25)
    pointer(browser, "move", 0.5)
    pointer(browser, "up", 0.5)
    assert browser.texts("#chart output")[0].startswith("pairs 6")
    click(browser, "#chart button", 2)
    assert browser.texts("#chart output") == ["drag to zoom"]


def test_a_click_on_the_chart_opens_the_row(shown):
    browser = shown(samples.clean_vit())
    browser.value("SVGElement.prototype.setPointerCapture = () => {}")
    pointer(browser, "down", 0.5)
    pointer(browser, "up", 0.5)
    browser.settle()
    (number,) = browser.texts("#pairs tr[aria-selected=true] td:first-child")
    assert 130 < int(number) < 165


def test_the_keyboard_moves_zooms_and_opens(shown):
    browser = shown(samples.clean_vit())
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        browser.value(
            "document.querySelector('svg.growth').dispatchEvent("
            f"new KeyboardEvent('keydown', {{key: {key!r}, bubbles: true}}))"
        )
    browser.settle()
    assert browser.texts("#pairs tr[aria-selected=true] td:first-child") == ["2"]
