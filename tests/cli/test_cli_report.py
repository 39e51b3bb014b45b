"""report: the same run rendered or judged again."""

import json

import pytest

from divergence.report import Report
from tests.report import samples


def test_it_renders_again_in_place(run, saved):
    before = (saved / "report.json").read_bytes()
    (saved / "report.html").unlink()
    code, out, _ = run("report", str(saved))
    assert code == 1
    assert out.startswith("DIVERGENT")
    assert (saved / "report.html").exists()
    assert (saved / "report.json").read_bytes() == before


def test_wide_tolerances_make_it_green_without_touching_the_run(run, saved):
    before = {path: path.read_bytes() for path in saved.iterdir()}
    code, out, _ = run("report", str(saved), "--rtol", "10", "--atol", "100")
    assert code == 0
    assert "within rtol 10 and atol 100" in " ".join(out.split())
    assert {path: path.read_bytes() for path in saved.iterdir()} == before


def test_the_new_judgement_is_written_where_told(run, saved, tmp_path):
    code, _, _ = run("report", str(saved), "--rtol", "10", "--atol", "100", "-o", "again")
    again = Report.load(tmp_path / "again")
    assert code == 0
    assert again.verdict.status == "rounding"
    assert again.culprits == ()
    assert again.options["rtol"] == 10.0
    assert [p.metrics for p in again.pairs] == [p.metrics for p in Report.load(saved).pairs]


def test_narrow_tolerances_make_a_clean_run_red(run, tmp_path):
    clean = samples.clean_vit().save(tmp_path / "clean")
    assert run("report", str(clean), "--rtol", "0", "--atol", "1e-9")[0] == 1
    assert run("report", str(clean), "--rtol", "0", "--atol", "1e-3")[0] == 0


def test_a_culprit_within_the_tolerances_goes_with_its_findings(run, saved, tmp_path):
    run("report", str(saved), "--rtol", "0", "--atol", "14.5", "-o", "again")
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    # The pair of the culprit is within 14.5; a later one is not.
    assert again["verdict"]["status"] == "divergent"
    assert again["culprits"] == again["findings"] == []


def test_ignored_sites_stay_listed_and_leave_the_verdict(run, saved, tmp_path):
    code, _, _ = run("report", str(saved), "--ignore", "*", "-o", "again")
    again = Report.load(tmp_path / "again")
    assert code == 3  # nothing is green because nothing was judged
    assert "every output is ignored" in again.verdict.sentence
    assert len(again.pairs) == 294
    assert all(pair.ignored for pair in again.pairs)
    assert again.culprits == ()


def test_half_a_tolerance_is_refused(run, saved):
    code, _, err = run("report", str(saved), "--rtol", "1e-3")
    assert code == 2
    assert "rtol is given without atol" in err


@pytest.mark.parametrize("form", ["folder", "file"])
def test_the_run_is_its_folder_or_its_file(run, saved, form):
    path = saved if form == "folder" else saved / "report.json"
    assert run("report", str(path), "--quiet") == (1, "", "")
