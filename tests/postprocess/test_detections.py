"""Detections: their agreement, in a trace, on the page."""

import base64
import io
import json
import math

import numpy as np
import pytest

from divergence import trace
from divergence.postprocess.detections import agreement, matches
from divergence.report import Report
from tests.postprocess import detector as d
from tests.postprocess import outputs as o


@pytest.fixture
def rows():
    return o.detections(o.crowd(np.random.default_rng(2)), score=0.05)


def test_the_same_detections_agree_at_every_score(rows):
    found = agreement(rows, rows)
    assert found.at.precision == found.at.recall == found.at.f1 == 1
    assert {cut.f1 for cut in found.cuts if cut.reference} == {1}
    assert sum(found.reference_scores) == len(rows)


def test_other_classes_and_places_do_not_count(rows):
    others = rows.copy()
    others[:, 5] += 10
    assert agreement(rows, others).at.matched == 0
    moved = rows.copy()
    moved[:, :4] += 2000
    assert agreement(rows, moved).at.f1 == 0


def test_a_box_is_taken_once(rows):
    twice = np.concatenate([rows[:1], rows[:1]])
    assert len(matches(rows[:1], twice)) == 1


def test_lower_scores_show_where_a_threshold_would_cut(rows):
    faint = rows.copy()
    faint[:, 4] *= 0.4
    found = agreement(rows, faint)
    by_score = {cut.threshold: cut for cut in found.cuts}
    assert by_score[0.0].f1 == 1
    assert by_score[0.5].candidate == 0
    assert by_score[0.5].recall == 0
    assert math.isnan(by_score[0.5].precision)


def test_nothing_against_nothing_has_no_figure():
    found = agreement(np.zeros((0, 6)), np.zeros((0, 6)))
    assert math.isnan(found.at.f1)


@pytest.fixture
def image(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def traced(tmp_path, image):
    def go(**options):
        model = d.exported(tmp_path / "d.onnx")
        return trace(d.detector(), model, image, preprocess=d.LETTERBOX, **options)

    return go


def test_a_trace_of_a_right_detector_draws_boxes_on_the_image(traced, tmp_path):
    report = traced(postprocess=d.processing())
    assert report.verdict.status in ("identical", "rounding")
    assert report.detections.at.f1 == 1
    picture = report.detections.picture
    assert picture.startswith("data:image/png;base64,")

    from PIL import Image

    drawn = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
    assert drawn.size == (160, 90)
    report.save(tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "the image with the boxes of both sides" in page
    assert "F1 1 at score 0.25" in page
    held = json.loads((tmp_path / "run" / "report.json").read_text())
    assert held["detections"]["at"]["f1"] == 1
    assert Report.load(tmp_path / "run").detections == report.detections


@pytest.mark.parametrize(
    ("change", "evidence", "found"),
    [
        ({"iou": 0.9}, "nms.iou", "iou_threshold"),
        ({"score": 0.5}, "nms.score", "score_threshold"),
        ({"class_agnostic": True}, "nms.class_agnostic", "both"),
    ],
)
def test_other_suppression_is_told_with_both_values(traced, change, evidence, found):
    report = traced(postprocess=d.processing(), candidate_postprocess=d.processing(**change))
    assert report.verdict.status == "divergent"
    (finding,) = report.findings
    assert finding.cause == "postprocess.nms"
    assert finding.evidence[0].name == evidence
    assert found in finding.parameters
    assert report.detections.at.f1 < 1


def test_boxes_left_in_the_input_are_told(traced):
    steps = d.processing()
    report = traced(
        postprocess=steps, candidate_postprocess=[*steps[:3], {"scale_boxes": {"by": 1}}]
    )
    assert "postprocess.box_scale" in {f.cause for f in report.findings}


def test_a_stretched_image_shows_in_the_answers_of_the_deployed_file(traced):
    """The graph is right; boxes mapped back by each side's own preparation are not the same."""
    report = traced(candidate_preprocess=d.STRETCHED, postprocess=d.processing())
    assert report.verdict.status == "divergent"
    assert {f.cause for f in report.findings} == {"preprocess.geometry"}
    assert report.detections.at.f1 < 0.9


def test_without_an_image_there_is_no_picture(tmp_path):
    tensor = np.zeros((1, 3, d.SIDE, d.SIDE), np.float32)
    steps = d.processing()[:3]
    report = trace(d.detector(), d.exported(tmp_path / "d.onnx"), tensor, postprocess=steps)
    assert report.detections.picture == ""
    assert report.detections.at.f1 == 1
