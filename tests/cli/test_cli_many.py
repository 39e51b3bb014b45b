"""Many inputs on the command line: what is written, said, and gone on with."""

import pandas as pd
import pytest

from divergence.batch.worker import Worker
from divergence.report import Report
from tests.batch.networks import network, write_inputs
from tests.postprocess.networks import exported

MODEL = "tests.batch.networks:network"


@pytest.fixture
def files(tmp_path):
    write_inputs(tmp_path / "set", count=3)
    exported(tmp_path / "right.onnx")
    net = network()
    net.state_dict()["second.weight"][0] *= 4
    exported(tmp_path / "wrong.onnx", net=net)
    return tmp_path


def test_a_folder_is_a_set_and_the_worst_is_traced(files, run):
    code, out, err = run("trace", MODEL, "wrong.onnx", "set")
    assert (code, err) == (1, "")
    report = Report.load(files / "divergence-report")
    assert f"worst    {report.input_set.worst} (traced here)" in out
    assert "inputs   3 of 3 (100 %) compared" in out
    assert len(pd.read_csv(files / "divergence-report" / "inputs.csv")) == 3
    page = (files / "divergence-report" / "report.html").read_text()
    assert "worst, traced on this page" in page


def test_several_files_a_glob_and_a_list_are_sets(files, run):
    (files / "list.txt").write_text("set/a.npy\nset/b.npy\n")
    for given in (("set/a.npy", "set/b.npy"), ("set/[ab].npy",), ("@list.txt",)):
        code, out, _ = run("check", MODEL, "right.onnx", *given)
        assert code == 0
        assert out.count("\n") == 1
    assert not (files / "divergence-report").exists()


def test_one_named_input_stays_one_call(files, run):
    code, _, _ = run("trace", MODEL, "right.onnx", "x=set/a.npy")
    assert code == 0
    assert Report.load(files / "divergence-report").input_set is None


def test_options_of_sets_are_refused_for_one_input(files, run):
    code, _, err = run("trace", MODEL, "right.onnx", "set/a.npy", "--jobs", "2")
    assert code == 2
    assert "--jobs is for many inputs, and 'set/a.npy' is one" in err


def test_an_interrupted_set_says_what_is_kept(files, run, monkeypatch):
    compare = Worker.compare

    def stopped(worker, item):
        if item.name.endswith("c.npy"):
            raise KeyboardInterrupt
        return compare(worker, item)

    monkeypatch.setattr(Worker, "compare", stopped)
    code, _, err = run("trace", MODEL, "right.onnx", "set")
    assert code == 130
    assert "interrupted: 2 of 3 inputs are kept in divergence-report/inputs.jsonl" in err
    monkeypatch.setattr(Worker, "compare", compare)
    assert run("trace", MODEL, "right.onnx", "set")[0] == 0


def test_what_cannot_be_read_is_said_and_the_rest_goes_on(files, run):
    (files / "set" / "empty.png").touch()
    _, out, _ = run("trace", MODEL, "right.onnx", "set")
    assert "inputs   3 of 4 (75 %) compared" in out
    assert "unread   set/empty.png: " in out
    _, out, _ = run("check", MODEL, "right.onnx", "set")
    assert "That is of the worst input; 3 of 4 (75 %) compared" in out
