"""trace and check: options, exit codes, what is written, what is said."""

from dataclasses import replace

import pytest

from divergence.errors import CaptureError, Interrupted, LoadError
from divergence.records import Status, Verdict
from divergence.report import Report
from tests.report import samples

WHAT = ("model.pt", "model.onnx", "cat.jpg")


def with_status(status):
    return replace(samples.clean_vit(), verdict=Verdict(status, "The sentence."))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (Status.IDENTICAL, 0),
        (Status.ROUNDING, 0),
        (Status.DIVERGENT, 1),
        (Status.INCONCLUSIVE, 3),
    ],
)
@pytest.mark.parametrize("command", ["trace", "check"])
def test_the_exit_code_is_the_verdict(traced, run, command, status, code):
    traced(with_status(status))
    assert run(command, *WHAT)[0] == code


def test_trace_writes_the_run_and_says_where(traced, run, tmp_path):
    report = samples.divergent_vit()
    traced(report)
    _, out, err = run("trace", *WHAT)
    assert Report.load(tmp_path / "divergence-report") == report
    assert (tmp_path / "divergence-report" / "report.html").exists()
    assert out.splitlines()[-1].split() == ["report", "divergence-report/report.html"]
    assert err == ""


def test_check_says_one_line_and_writes_only_where_told(traced, run, tmp_path):
    traced(samples.divergent_vit())
    _, out, _ = run("check", *WHAT)
    assert out.startswith("divergent: The candidate departs")
    assert out.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    run("check", *WHAT, "-o", "kept")
    assert (tmp_path / "kept" / "report.json").exists()


def test_quiet_says_nothing_and_no_html_writes_no_page(traced, run, tmp_path):
    traced(samples.divergent_vit())
    assert run("trace", *WHAT, "--quiet", "--no-html", "-o", "run") == (1, "", "")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"report.json", "pairs.csv"}


def test_options_reach_the_trace_and_only_those_given(traced, run):
    calls = traced(samples.clean_vit())
    run("trace", *WHAT)
    run(
        *("trace", "model.pt", "model.onnx", "image=cat.jpg", "mask=random:1x3"),
        *("--rtol", "1e-3", "--atol", "1e-5", "--ignore", "head.*", "--ignore", "norm"),
        *("--memory", "2GiB", "--trust-pickle", "--candidate-input", "image=b.npy", "--no-html"),
        *("--preprocess", "p.yaml", "--optimization", "none", "--device", "cuda:0", "-o", "x"),
        *("--provider", "cuda", "--thorough", "--fix", "f.onnx", "--threads", "2", "--seed", "3"),
    )
    (plain, no_options), (asked, options) = calls
    assert plain == ("model.pt", "model.onnx", ["cat.jpg"])
    assert no_options == {}
    assert asked[2] == ["image=cat.jpg", "mask=random:1x3"]
    assert options == {
        "rtol": 1e-3,
        "atol": 1e-5,
        "ignore": ["head.*", "norm"],
        "memory": "2GiB",
        "trust_pickle": True,
        "candidate_inputs": ["image=b.npy"],
        "html": False,
        "preprocess": "p.yaml",
        "optimization": "none",
        "device": "cuda:0",
        "output": "x",
        "provider": "cuda",
        "thorough": True,
        "fix": "f.onnx",
        "threads": 2,
        "seed": 3,
    }


def test_every_option_of_a_trace_can_be_given(traced, run):
    from dataclasses import fields

    from divergence.cli.app import _parser
    from divergence.options import Options

    known = set(vars(_parser().parse_args(["trace", *WHAT])))
    # What Python alone offers: switching off parts of the work.
    python_only = {"functional", "floor", "diagnose"}
    assert {field.name for field in fields(Options)} - python_only <= known


@pytest.mark.parametrize("error", [LoadError, CaptureError])
def test_an_expected_error_is_one_sentence_and_2(traced, run, tmp_path, error):
    traced(error("model.pt is no model; give one."))
    code, out, err = run("trace", *WHAT)
    assert (code, out) == (2, "")
    assert err == "divergence: model.pt is no model; give one.\n"
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_keeps_what_was_measured(traced, run, tmp_path):
    traced(Interrupted(samples.partial()))
    code, out, _ = run("trace", *WHAT)
    assert code == 130
    assert out.startswith("INCONCLUSIVE (PARTIAL)")
    assert Report.load(tmp_path / "divergence-report").partial


def test_an_interruption_before_anything_writes_nothing(traced, run, tmp_path):
    traced(KeyboardInterrupt())
    code, out, err = run("check", *WHAT)
    assert (code, out) == (130, "")
    assert "interrupted before anything was measured" in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_before_the_run(traced, run, tmp_path):
    calls = traced(samples.clean_vit())
    (tmp_path / "file").write_text("")
    code, _, err = run("trace", *WHAT, "-o", "file")
    assert code == 2
    assert "file is not a folder" in err
    assert calls == []
