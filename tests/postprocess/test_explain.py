"""How two outputs differ: every cause, two at once, none, and what cannot be compared."""

import numpy as np
import pytest

from divergence import explain_outputs
from divergence.errors import InputError
from divergence.postprocess.explain import explain
from tests.postprocess import outputs as o
from tests.postprocess.perturbations import DOUBLE, NONE, OTHER_KINDS, SINGLE, UNKNOWN
from tests.postprocess.suite import run


def id_of(case):
    return case.name


# Those that take long are in the measured suite: `make zoo-preparation`.
QUICK = [case for case in SINGLE if "head" not in case.name and "map" not in case.name]
GROUPS = [("none", c) for c in NONE] + [("single", c) for c in QUICK]
GROUPS += [("single", c) for c in OTHER_KINDS]
FORMS = [case for case in DOUBLE if case.name.startswith(("overlap and c", "threshold and c"))]
GROUPS += [("double", c) for c in (*DOUBLE[5:7], *FORMS)] + [("unknown", c) for c in UNKNOWN[2:5]]


@pytest.mark.parametrize(("group", "case"), GROUPS, ids=lambda v: getattr(v, "name", v))
def test_the_cause_is_named(group, case):
    found = run(group, case, noise=1e-6, seed=3)
    assert found.right, f"said {found.said}"
    assert found.parameters


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_each_change_carries_its_proof(rng):
    logits = o.logits(rng)
    (finding,) = explain_outputs(logits, o.softmax(logits))
    assert finding.cause == "postprocess.activation"
    assert finding.proof.error_before > 1
    assert finding.proof.error_after < 1e-12
    assert finding.explanation == "the candidate applies softmax; the reference does not"
    assert finding.evidence[0].candidate == "yes"


def test_the_rule_of_suppression_is_proved_by_applying_it(rng):
    raw = o.crowd(rng, objects=40, copies=8)
    (finding,) = explain_outputs(o.detections(raw), o.detections(raw, agnostic=True))
    assert finding.parameters["class_agnostic"] == [False, True]
    assert finding.proof.error_before > 10
    assert finding.proof.error_after == 0


def test_a_small_change_is_proved_where_it_acts(rng):
    """Noise of a pixel in the boxes does not hide classes that are counted from one."""
    rows = o.detections(o.crowd(rng))
    other = o.noisy(rng, rows, 1e-3) + np.eye(6)[5]
    (finding,) = explain_outputs(rows, other)
    assert finding.cause == "postprocess.layout"
    assert (finding.proof.error_before, finding.proof.error_after) == (1, 0)


@pytest.mark.parametrize("offset", [1.0, 0.5])
def test_a_pixel_is_told_from_noise(rng, offset):
    rows = o.detections(o.crowd(rng))
    shift = offset * np.array([1, 1, 1, 1, 0, 0])
    noise = o.noisy(rng, rows, 1e-3)
    assert explain_outputs(rows, noise) == []
    (finding,) = explain_outputs(rows, noise + shift)
    assert finding.parameters["offset"][:4] == [offset] * 4


def test_outputs_that_are_exchanged_are_named(rng):
    ours = {"boxes": rng.normal(size=(1, 50, 4)), "logits": rng.normal(size=(1, 50, 80))}
    theirs = {"boxes": ours["logits"], "logits": ours["boxes"]}
    (finding,) = explain_outputs(ours, theirs)
    assert finding.cause == "postprocess.order"
    assert finding.parameters["outputs"] == {"boxes": "logits", "logits": "boxes"}
    assert explain_outputs(ours, {"a": ours["logits"], "b": ours["boxes"]}) == []


def test_rounding_of_two_numbers_is_no_unit(rng):
    shares = o.softmax(rng.normal(0, 2, (1, 2)))
    assert explain_outputs(shares, shares.astype(np.float16)) == []


def test_a_doubled_function_is_called_so(rng):
    probabilities = o.softmax(o.logits(rng))
    (finding,) = explain_outputs(probabilities, o.softmax(probabilities))
    assert "once more" in finding.explanation


def test_changes_are_told_in_order_of_application(rng):
    head = o.head(rng, anchors=400, classes=6, activated=False)
    activated = head.copy()
    activated[:, 4:] = o.sigmoid(head[:, 4:])
    found = explain(head, activated.transpose(0, 2, 1))
    assert [f.cause for f in found.findings] == ["postprocess.layout", "postprocess.activation"]
    assert found.explained
    assert not found.same
    assert found.findings[-1].proof.error_after < 1e-9
    assert found.sentence == (
        "The outputs differ by postprocess.layout and postprocess.activation."
    )


def test_scores_beside_pixels_are_not_overlooked(rng):
    """A difference in scores is small beside 640 pixels, and no rounding."""
    rows = o.detections(o.crowd(rng))
    other = rows.copy()
    other[:, 4] = rng.permutation(rows[:, 4])
    found = explain(rows, other)
    assert not found.same
    assert found.distance < 1


def test_float16_is_rounding_and_agrees(rng):
    logits = o.logits(rng).astype(np.float32)
    found = explain(logits, logits.astype(np.float16))
    assert found.same
    assert found.findings == ()


def test_the_same_values_in_another_shape_are_another_layout():
    (finding,) = explain_outputs(np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(12))
    assert finding.cause == "postprocess.layout"
    assert finding.parameters == {"reshape": [12]}


def test_nan_on_one_side_is_never_agreement(rng):
    ours = rng.normal(size=(4, 8))
    theirs = ours.copy()
    theirs[0, 0] = np.nan
    found = explain(ours, theirs)
    assert not found.same
    assert not found.explained
    assert explain(theirs, theirs).same


def test_infinities_at_the_same_places_agree():
    masked = np.array([[1.0, -np.inf, 2.0]])
    assert explain(masked, masked.copy()).same


def test_empty_outputs_agree():
    assert explain(np.zeros((0, 6)), np.zeros((0, 6))).same


def test_detections_of_one_side_alone_are_unexplained(rng):
    rows = o.detections(o.crowd(rng))
    found = explain(rows, rows[:0])
    assert not found.same
    assert found.sentence == "The outputs differ in shape, and the difference is not explained."


def test_one_detection_is_enough_for_other_units():
    row = np.array([[10.0, 20.0, 110.0, 220.0, 0.9, 3.0]])
    (finding,) = explain_outputs(row, row * [0.5, 0.5, 0.5, 0.5, 1, 1])
    assert finding.cause == "postprocess.box_scale"
    assert finding.parameters["gain"] == pytest.approx([0.5] * 4)


def test_files_and_tensors_are_read(tmp_path, rng):
    import torch

    logits = o.logits(rng)
    np.save(tmp_path / "a.npy", logits)
    np.savez(tmp_path / "a.npz", out=logits)
    np.savez(tmp_path / "b.npz", out=o.sigmoid(logits))
    assert explain(tmp_path / "a.npy", torch.from_numpy(logits)).same
    (finding,) = explain_outputs(str(tmp_path / "a.npz"), tmp_path / "b.npz")
    assert finding.cause == "postprocess.activation"


def test_named_outputs_are_paired_by_name_then_in_order(rng):
    ours = {"logits": o.logits(rng), "embedding": o.embedding(rng)}
    theirs = {"embedding": ours["embedding"], "logits": o.softmax(ours["logits"])}
    assert [f.cause for f in explain_outputs(ours, theirs)] == ["postprocess.activation"]
    renamed = {"output_0": theirs["logits"], "output_1": theirs["embedding"]}
    assert [f.cause for f in explain_outputs(ours, renamed)] == ["postprocess.activation"]


def test_outputs_that_cannot_be_paired_are_an_error(rng):
    ours = {"logits": o.logits(rng), "embedding": o.embedding(rng)}
    with pytest.raises(InputError, match="No output has the same name on both sides: logits"):
        explain_outputs(ours, {"other": ours["logits"]})


def test_names_on_one_side_alone_are_an_error(rng):
    with pytest.raises(InputError, match="give both alike"):
        explain_outputs({"logits": o.logits(rng)}, o.logits(rng))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"There is no file .*gone\.npy"):
        explain_outputs(tmp_path / "gone.npy", tmp_path / "gone.npy")


def test_large_outputs_are_searched_in_part(rng):
    """A map of many elements: what a part shows holds for the whole, with its own proof."""
    maps = o.segmentation(rng, classes=5, side=256)
    (finding,) = explain_outputs(maps, o.softmax(maps, 1).transpose(0, 2, 3, 1))[1:]
    assert finding.cause == "postprocess.activation"
    assert finding.proof.error_after < 1e-9


def test_a_constant_output_is_no_softmax_over_an_axis_of_one():
    scores = np.random.default_rng(0).standard_normal((1, 50)).astype("f4")
    for candidate in (np.zeros_like(scores), np.ones_like(scores)):
        found = explain_outputs(scores, candidate)
        assert not [finding for finding in found if finding.cause == "postprocess.activation"]
