"""Documents of steps behind a model: read, written, applied, refused."""

import numpy as np
import pytest

from divergence.errors import InputError, SpecError
from divergence.postprocess.apply import postprocess
from divergence.postprocess.geometry import Placement, letterboxed, placement
from divergence.postprocess.spec import Declared, parse, resolve
from divergence.postprocess.state import Outputs
from divergence.preparation.apply import prepare
from divergence.preparation.spec import parse_spec
from tests.postprocess import outputs as o

DETECTOR = """
- layout: [0, 2, 1]
- sigmoid: {columns: [4, null]}
- boxes: {format: cxcywh}
- nms: {score: 0.3, iou: 0.5, max: 10}
- scale_boxes: {to: image, from: [640, 640]}
- clip: image
"""


def run(document, *values, **known):
    names = {str(place): value for place, value in enumerate(values)}
    shown = {}
    made = postprocess(Outputs(names, **known), parse(document), shown.__setitem__)
    return made, shown


def test_every_step_is_a_site_and_the_document_comes_back():
    head = o.head(np.random.default_rng(0), anchors=300, classes=4, activated=False)
    made, shown = run(DETECTOR, head, picture=(480, 640))
    assert list(shown) == [
        f"postprocess.{word}"
        for word in ("layout", "sigmoid", "boxes", "nms", "scale_boxes", "clip")
    ]
    assert shown["postprocess.nms"].shape[1] == 6
    assert 0 < len(made.values["boxes"]) <= 10
    assert made.values["scores"].min() > 0.3
    assert parse(parse(DETECTOR).document()) == parse(DETECTOR)


def test_a_detector_agrees_with_its_parts():
    rng = np.random.default_rng(1)
    head = o.head(rng, anchors=300, classes=4)
    made, _ = run("[{layout: [0, 2, 1]}, {boxes: cxcywh}, {nms: {score: 0.1, iou: 0.4}}]", head)
    rows = head[0].T
    raw = o.corners(rows[:, :4]), rows[:, 4:].max(1), rows[:, 4:].argmax(1)
    wanted = o.detections(raw, score=0.1, iou=0.4, clip=False)
    assert np.allclose(made.shown()[0], wanted)


def test_a_second_step_of_one_word_is_numbered_and_several_arrays_too():
    _, shown = run("[sigmoid, sigmoid, {top_k: 2}]", np.zeros((1, 3), np.float32))
    assert list(shown) == [
        "postprocess.sigmoid",
        "postprocess.sigmoid#1",
        "postprocess.top_k",
        "postprocess.top_k[1]",
    ]


def test_of_equal_numbers_the_first_index_leads():
    made, _ = run("[{top_k: {k: 2}}]", np.array([[1.0, 3.0, 3.0, 0.0]]))
    assert made.values["indices"].tolist() == [[1, 2]]


def test_outputs_are_chosen_by_number_or_name():
    first, second = np.zeros(2), np.ones(3)
    assert run("[{output: 1}]", first, second)[0].single("x").shape == (3,)
    with pytest.raises(InputError, match="Step 'output' asks for 'boxs'"):
        run("[{output: boxs}]", first, second)
    with pytest.raises(InputError, match="works on one output, and there are 2: 0, 1"):
        run("[sigmoid]", first, second)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("[{nsm: {}}]", "There is no step 'nsm'. Did you mean nms"),
        ("[{nms: {iuo: 0.5}}]", "Step 'nms' has no key 'iuo'. Did you mean iou"),
        ("[{nms: {iou: 45}}]", "'nms.iou' is a share from 0 to 1, got 45"),
        ("[{nms: {max: -1}}]", "'nms.max' is a whole number of 0 or more"),
        ("[{boxes: xywy}]", "'boxes.format' is one of .*Did you mean"),
        ("[{layout: [0, 2]}]", "'layout' is an order of axes"),
        ("[{sigmoid: {columns: 4}}]", r"'sigmoid.columns' is \[first, behind the last\]"),
        ("[{softmax: {axis: last}}]", "'softmax.axis' is the number of an axis"),
        ("[{clip: {}}]", "Step 'clip' needs `to` for boxes"),
        ("[{scale_boxes: {by: [1, 2, 3]}}]", "two for x and y, or four, got 3"),
        ("[{a: 1, b: 2}]", "Step 1 is one word and its value"),
        ("[", "neither YAML nor JSON"),
        ("[]", "A post-processing is a list of steps"),
        ("missing.yaml", "There is no post-processing file 'missing.yaml'"),
    ],
)
def test_what_is_wrong_in_a_document_is_said(document, sentence):
    with pytest.raises(SpecError, match=sentence):
        resolve(document)


def test_files_callables_and_nothing(tmp_path):
    (tmp_path / "post.yaml").write_text(DETECTOR)
    assert resolve(str(tmp_path / "post.yaml")) == parse(DETECTOR)
    assert resolve("numpy:asarray") is np.asarray
    assert resolve(None) == Declared()
    with pytest.raises(SpecError, match=r"--postprocess: .*numpy' has no 'assaray'"):
        resolve("numpy:assaray")


@pytest.mark.parametrize(
    ("document", "value", "sentence"),
    [
        ("[{layout: [0, 2, 1]}]", np.zeros((2, 3)), r"orders 3 axes; the output is \(2, 3\)"),
        ("[{boxes: {}}]", np.zeros((2, 8, 6)), "takes a table"),
        ("[{nms: {}}]", np.zeros((1, 8, 6)), "works on detections"),
        ("[{softmax: {axis: 3}}]", np.zeros((2, 3)), "goes along axis 3"),
        ("[{sigmoid: {columns: [9, null]}}]", np.zeros((2, 3)), "has no columns"),
        ("[{boxes: {}}, {clip: image}]", np.zeros((1, 8, 6)), "whose size is not known here"),
        ("[{boxes: {}}, {scale_boxes: image}]", np.zeros((1, 8, 6)), "there is no image"),
    ],
)
def test_a_step_that_does_not_fit_is_said(document, value, sentence):
    with pytest.raises(InputError, match=sentence):
        run(document, value)


@pytest.mark.parametrize(
    "spec",
    [
        "[{resize: {to: [32, 48]}}]",
        "[{resize: {longest: 64}}, {pad: {to: [64, 64]}}]",
        "[{resize: {longest: 64}}, {pad: {to: [64, 64], at: top-left}}]",
        "[{resize: {shortest: 40}}, {crop: {size: [32, 32]}}]",
        "[{pad: {to: [120, 120]}}, {resize: {to: [60, 60]}}]",
    ],
)
def test_boxes_come_back_from_where_the_preparation_put_them(spec):
    """A bright square of the image is found in the input where the placement says."""
    from PIL import Image

    spec = parse_spec(spec)
    pixels = np.zeros((80, 100, 3), np.uint8)
    pixels[30:50, 40:70] = 255
    values = prepare(Image.fromarray(pixels), spec).astype(float)[..., 0]
    where = placement(spec, 80, 100)
    assert where.size == values.shape
    rows, columns = np.where(values > 160)
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1.0]])
    assert np.abs(where.undone(box) - [40, 30, 70, 50]).max() < 2.5


def test_a_letterbox_is_that_of_the_preparation():
    spec = parse_spec("[{resize: {longest: 64}}, {pad: {to: [64, 64]}}]")
    assert letterboxed((48, 64), (64, 64), "center") == placement(spec, 48, 64)
    assert letterboxed((48, 64), (32, 32), "stretched") == Placement(
        (0.5, 32 / 48), (0.0, 0.0), (32, 32)
    )


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_boxes_and_scores_are_told_apart_by_their_columns(order):
    held = {"a": np.arange(12.0).reshape(1, 3, 4), "b": np.eye(3, 5)[None]}
    made = postprocess(Outputs({name: held[name] for name in order}), parse("[boxes]"))
    assert made.values["boxes"].tolist() == held["a"][0].tolist()
    assert made.values["labels"].tolist() == [0, 1, 2]
    assert made.values["scores"].tolist() == [1, 1, 1]
