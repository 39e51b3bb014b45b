"""Behind the model: outputs that differ though every segment is right."""

import numpy as np
import pytest

from divergence import trace
from divergence.errors import InputError, SpecError
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


SOFTMAX = [{"softmax": {}}]


def test_both_post_processings_alike_are_a_stage(traced):
    report = traced(postprocess=[{"softmax": {}}, {"top_k": 3}])
    assert report.verdict.status in ("identical", "rounding")
    behind = [pair for pair in report.pairs if pair.stage == "postprocess"]
    assert [pair.reference for pair in behind] == [
        "postprocess.softmax",
        "postprocess.top_k",
        "postprocess.top_k[1]",
    ]
    assert report.stages[-1].name == "postprocess"
    assert behind[0].order > max(p.order for p in report.pairs if p.stage != "postprocess")


def test_a_function_that_the_candidates_post_processing_lacks_is_told(traced):
    report = traced(postprocess=SOFTMAX, candidate_postprocess=[{"argmax": {}}])
    assert report.verdict.status == "divergent"
    assert {f.cause for f in report.findings} == {"postprocess.activation"}
    names = [e.name for e in report.findings[0].evidence]
    assert "step softmax" in names
    assert "step argmax" in names


def test_a_function_that_moved_into_the_file_is_right(traced):
    """The file ends with softmax, and its post-processing does without: the answers agree."""
    report = traced(
        ("Softmax", ["l"], "y", {"axis": -1}),
        postprocess=[{"softmax": {}}, {"top_k": 2}],
        candidate_postprocess=[{"top_k": 2}],
    )
    assert report.findings == ()


def test_a_function_applied_twice_behind_the_file_is_told(traced):
    report = traced(("Softmax", ["l"], "y", {"axis": -1}), postprocess=SOFTMAX)
    assert report.verdict.status == "divergent"
    assert [f.cause for f in report.findings] == ["postprocess.activation"]
    assert "once more" in report.findings[0].explanation


def doubled(outputs):
    return outputs[0] * 2


def squared(outputs):
    return np.sin(outputs[0] * 7)


def test_callables_are_post_processings_too(traced):
    report = traced(postprocess=lambda outputs: outputs[0], candidate_postprocess=doubled)
    assert [f.cause for f in report.findings] == ["postprocess.box_scale"]
    assert report.findings[0].parameters["gain"] == pytest.approx(2)


def test_callables_that_nothing_explains_are_said_to_differ(traced):
    report = traced(postprocess=doubled, candidate_postprocess=squared)
    assert report.verdict.status == "divergent"
    assert report.findings == ()
    assert "no known cause explains it" in report.verdict.sentence


def test_a_callable_that_fails_is_one_sentence(traced):
    with pytest.raises(InputError, match="The post-processing 'broken' fails on the outputs: Key"):
        traced(postprocess=broken)


def broken(outputs):
    return {}["missing"]


def test_a_wrong_document_is_refused_before_anything_runs(traced):
    with pytest.raises(SpecError, match=r"There is no step 'nsm'\. Did you mean nms"):
        traced(postprocess=[{"nsm": {}}])
