"""Many inputs: agreement over the set, resumed runs, unreadable files, killed workers."""

import json
import os
import subprocess
import sys
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from divergence import trace_many
from divergence.batch import many
from divergence.batch.worker import Worker
from divergence.errors import InputError, OptionError, SetInterrupted, SpecError
from divergence.report import Report
from tests.batch.networks import POISON, network

MODEL = "tests.batch.networks:network"


def test_a_right_file_agrees_on_every_input(right, folder):
    found = trace_many(network(), right, folder)
    assert found.summary.inputs == found.summary.compared == 6
    assert found.summary.top1 == found.summary.top5 == 1
    assert found.summary.greatest_difference < 1e-5
    assert found.worst.verdict.status in ("identical", "rounding")
    assert found.worst.input_set == found.summary


def test_the_worst_input_is_named_and_traced(wrong, folder):
    found = trace_many(network(), wrong, folder)
    assert found.worst.verdict.status == "divergent"
    worst = max(found.rows, key=lambda row: row.difference)
    assert found.summary.worst == worst.input
    assert found.worst.inputs["x"]["reference"]["source"] == worst.input
    assert found.summary.max_abs == max(row.max_abs for row in found.rows)


def test_labels_give_each_sides_accuracy(wrong, folder, tmp_path):
    rows = trace_many(network(), wrong, folder).rows
    labels = tmp_path / "labels.csv"
    told = [f"{row.input.rpartition('/')[2]},{row.reference_class}" for row in rows]
    labels.write_text("\n".join(["file,label", *told[:5]]))
    summary = trace_many(network(), wrong, folder, labels=labels).summary
    assert summary.labelled == 5
    assert summary.reference_accuracy == 1
    same = [row.reference_class == row.candidate_class for row in rows[:5]]
    assert summary.candidate_accuracy == pytest.approx(np.mean(same))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label\na.npy,cat\n", "Line 2 of .* is 'a.npy,cat'; write file,label"),
        ("other.png,3\n", "No input has a label in .*names 'other.png'"),
    ],
)
def test_wrong_labels_are_said(right, folder, tmp_path, text, sentence):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(SpecError, match=sentence):
        trace_many(network(), right, folder, labels=tmp_path / "labels.csv")


def test_unreadable_files_are_listed_and_the_rest_goes_on(right, folder):
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    np.save(folder / "other.npy", np.zeros((1, 5), np.float32))
    found = trace_many(network(), right, folder)
    assert found.summary.compared == 6
    assert found.summary.inputs == 8
    reasons = {one.input.rpartition("/")[2]: one.reason for one in found.summary.unread}
    assert set(reasons) == {"broken.png", "other.npy"}
    assert all(reasons.values())


def test_where_nothing_can_be_compared_the_first_reason_is_said(right, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.npy").write_bytes(b"no array")
    with pytest.raises(
        InputError, match=r"None of 1 inputs could be compared; the first, .*x\.npy"
    ):
        trace_many(network(), right, tmp_path / "bad")


def test_an_interrupted_run_goes_on_where_it_stopped(right, folder, tmp_path, monkeypatch):
    compare, seen = Worker.compare, []

    def counted(worker, item):
        seen.append(item.name)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return compare(worker, item)

    monkeypatch.setattr(Worker, "compare", counted)
    with pytest.raises(SetInterrupted, match="interrupted: 3 of 6 inputs are kept in"):
        trace_many(network(), right, folder, keep=tmp_path / "run")
    with (tmp_path / "run" / "inputs.jsonl").open("a") as file:
        file.write('{"input": "cut o')  # as where the process was killed
    monkeypatch.setattr(Worker, "compare", compare)
    monkeypatch.setattr(many, "run_items", spied(many.run_items, done := []))
    found = trace_many(network(), right, folder, keep=tmp_path / "run")
    assert len(done) == 3
    assert [astuple(r) for r in found.rows] == [
        astuple(r) for r in trace_many(network(), right, folder).rows
    ]


def spied(function, done):
    def run(executor, jobs, job, items):
        for item, row in function(executor, jobs, job, items):
            done.append(item.name)
            yield item, row

    return run


def test_a_changed_input_or_another_file_is_compared_again(
    right, wrong, folder, tmp_path, monkeypatch
):
    trace_many(network(), right, folder, keep=tmp_path)
    np.save(folder / "a.npy", np.ones((1, 16), np.float32))
    os.utime(folder / "a.npy", ns=(1, 1))
    monkeypatch.setattr(many, "run_items", spied(many.run_items, done := []))
    trace_many(network(), right, folder, keep=tmp_path)
    assert [name.rpartition("/")[2] for name in done] == ["a.npy"]
    trace_many(network(), wrong, folder, keep=tmp_path)
    assert len(done) == 7


def test_tables_and_the_worst_report_are_written(wrong, folder, tmp_path):
    (folder / "broken.npy").write_bytes(b"nothing")
    found = trace_many(network(), wrong, folder)
    found.save(tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "inputs.csv")
    assert list(table["input"]) == [row.input for row in found.rows]
    assert table["top1"].isna().sum() == 1
    assert Report.load(tmp_path / "run").input_set == found.summary
    held = json.loads((tmp_path / "run" / "report.json").read_text())
    assert held["input_set"]["worst"] == found.summary.worst
    parquet = pd.read_parquet(tmp_path / "run" / "inputs.parquet")
    pd.testing.assert_frame_equal(parquet, found.to_pandas(), check_dtype=False)


def test_wrong_options_are_said(right, folder):
    with pytest.raises(OptionError, match=r"executor is 'rey'.*Did you mean ray"):
        trace_many(network(), right, folder, executor="rey")
    with pytest.raises(OptionError, match="jobs is 0"):
        trace_many(network(), right, folder, jobs=0)
    with pytest.raises(OptionError, match="there is no option 'label'"):
        trace_many(network(), right, folder, label="x")


def test_detections_are_counted_over_the_set(tmp_path):
    from tests.postprocess import detector as d

    (tmp_path / "set").mkdir()
    for place in range(3):
        value = np.full((1, 3, d.SIDE, d.SIDE), place, np.float32)
        np.save(tmp_path / "set" / f"{place}.npy", value)
    model = d.exported(tmp_path / "d.onnx")
    ours, theirs = d.processing()[:3], d.processing(score=0.6)[:3]
    found = trace_many(
        d.detector(), model, tmp_path / "set", postprocess=ours, candidate_postprocess=theirs
    )
    assert found.summary.precision == 1
    assert found.summary.recall < 1
    assert 0 < found.summary.f1 < 1
    assert found.rows[0].matched_boxes == found.rows[0].candidate_boxes


def rows_of(found):
    return [astuple(row) for row in found.rows]


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_executors_give_the_same_rows(executor, wrong, folder):
    if executor == "ray":
        pytest.importorskip("ray")
    alone = trace_many(MODEL, wrong, folder, threads=1)
    others = trace_many(MODEL, wrong, folder, threads=1, executor=executor, jobs=2)
    assert rows_of(others) == rows_of(alone)
    assert others.summary == alone.summary


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "ray"])
def test_a_killed_worker_loses_nothing(executor, right, folder, tmp_path, monkeypatch):
    if executor == "ray":
        pytest.importorskip("ray")
    poison = np.full((1, 16), POISON, np.float32)
    np.save(folder / "poison.npy", poison)
    (tmp_path / "marker").touch()
    monkeypatch.setenv("DIVERGENCE_TEST_MARKER", str(tmp_path / "marker"))
    frail = "tests.batch.networks:frail"
    found = trace_many(frail, right, folder, threads=1, executor=executor, jobs=2)
    assert not (tmp_path / "marker").exists()
    assert found.summary.compared == 7
    assert found.summary.unread == ()


@pytest.mark.slow
def test_workers_end_with_the_process_that_asked(right, folder, tmp_path):
    asks = f"trace_many({MODEL!r}, {right!r}, {str(folder)!r}, jobs=2)"
    (tmp_path / "asks.py").write_text(
        f"if __name__ == '__main__':\n    from divergence import trace_many\n    {asks}\n"
    )
    process = subprocess.Popen([sys.executable, str(tmp_path / "asks.py")])
    workers = wait_for(lambda: spawned_by(process.pid), "no worker has begun")
    process.kill()
    process.wait()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), "one goes on")


def spawned_by(parent):
    """Return the processes that a pool has begun there."""
    found = subprocess.run(
        ["pgrep", "-P", str(parent), "-f", "spawn_main"], capture_output=True, check=False
    )
    return found.stdout.decode().split()


def wait_for(what, otherwise, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.1)
    raise AssertionError(otherwise)


@pytest.mark.slow
def test_an_input_that_kills_every_worker_is_given_up(right, folder):
    np.save(folder / "poison.npy", np.full((1, 16), POISON, np.float32))
    deadly = "tests.batch.networks:deadly"
    found = trace_many(deadly, right, folder, threads=1, jobs=2)
    assert found.summary.compared == 6
    (lost,) = found.summary.unread
    assert lost.input.endswith("poison.npy")
    assert "died" in lost.reason


@pytest.mark.slow
def test_a_model_that_cannot_be_sent_is_said(right, folder):
    net = network()
    net.hook = lambda: None
    with pytest.raises(OptionError, match="give paths or a factory, or jobs=1"):
        trace_many(net, right, folder, jobs=2)
