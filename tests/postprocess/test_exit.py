"""Behind the model: outputs that differ though every segment is right."""

import numpy as np
import pytest

from divergence import trace
from tests.postprocess.networks import exported, network, sample


@pytest.fixture
def traced(tmp_path):
    def go(*tail, **options):
        return trace(network(), exported(tmp_path / "m.onnx", *tail), sample(), **options)

    return go


def test_a_right_file_has_nothing_behind_it(traced):
    report = traced()
    assert report.verdict.status in ("identical", "rounding")
    assert report.findings == ()


@pytest.mark.parametrize(
    ("op", "attributes", "function"),
    [("Softmax", {"axis": -1}, "softmax"), ("Sigmoid", {}, "sigmoid"), ("Relu", {}, "relu")],
)
def test_a_link_function_in_the_file_alone_is_told(traced, op, attributes, function):
    report = traced((op, ["l"], "y", attributes))
    assert report.verdict.status == "divergent"
    (finding,) = report.findings
    assert finding.cause == "postprocess.activation"
    assert finding.parameters["function"] == function
    assert finding.proof.error_after < 1e-6 < finding.proof.error_before
    assert "applies" in report.verdict.sentence


def test_a_transposed_output_is_told(traced, tmp_path):
    batch = np.random.default_rng(1).normal(size=(1, 16)).astype(np.float32)
    model = exported(tmp_path / "t.onnx", ("Transpose", ["l"], "y", {"perm": [1, 0]}))
    report = trace(network(), model, batch)
    assert report.verdict.status == "divergent"
    assert [f.cause for f in report.findings] == ["postprocess.layout"]


def test_a_difference_within_the_users_tolerance_is_none(traced):
    report = traced(("Sigmoid", ["l"], "y", {}), rtol=1.0, atol=10.0)
    assert report.findings == ()


def test_without_diagnosis_nothing_is_looked_for(traced):
    report = traced(("Sigmoid", ["l"], "y", {}), diagnose=False)
    assert report.findings == ()
