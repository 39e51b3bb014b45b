"""Two prepared inputs are told apart: causes, parameters, proof."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import divergence
from divergence.errors import InputError
from divergence.preparation.apply import prepare
from divergence.preparation.explain import agree, explain, explain_inputs
from divergence.preparation.spec import parse_spec
from tests.preparation.photographs import photograph
from tests.preparation.pipelines import HALF, IMAGENET, UNIT, Pipeline

PHOTO = photograph("chelsea")
CLASSIFIER = Pipeline(size=112)
LETTERBOX = Pipeline("letterbox", 128, library="opencv", normal=UNIT)


def found(reference, candidate, image=PHOTO):
    """Findings by cause."""
    return {f.cause: f for f in explain_inputs(reference, candidate, image)}


@pytest.mark.parametrize("image", [PHOTO, None])
def test_no_finding_where_nothing_changed(image):
    tensor = CLASSIFIER(PHOTO)
    for other in (tensor.copy(), tensor * np.float32(1 + 1e-7), tensor.astype(np.float16)):
        explanation = explain(tensor, other, image)
        assert explanation.same
        assert explanation.findings == ()
        assert explanation.sentence == "The inputs agree."


def test_mean_and_deviation_are_recovered_and_proved():
    changed = found(CLASSIFIER(PHOTO), CLASSIFIER.but(normal=HALF)(PHOTO))
    assert list(changed) == ["preprocess.mean_std"]
    finding = changed["preprocess.mean_std"]
    assert finding.parameters["mean"] == pytest.approx(HALF[0], rel=1e-3)
    assert finding.parameters["std"] == pytest.approx(HALF[1], rel=1e-3)
    assert finding.proof.error_before > 1
    assert finding.proof.error_after < 1e-5
    assert finding.evidence[0].reference == pytest.approx(IMAGENET[0], rel=1e-3)


def test_a_curve_is_told_from_a_border_of_another_colour():
    tinted = Image.fromarray((np.asarray(PHOTO) * np.array([1.0, 0.3, 0.1])).astype(np.uint8))
    changed = found(LETTERBOX(tinted), LETTERBOX.but(gamma=1.8)(tinted), tinted)
    assert list(changed) == ["preprocess.values"]
    assert changed["preprocess.values"].parameters["gamma"]["power"] == pytest.approx(1.8, rel=0.01)


def test_the_inferred_specs_make_both_tensors():
    changes = {"library": "opencv", "kernel": "area", "bgr": "before", "pad": 0}
    reference, candidate = LETTERBOX(PHOTO), LETTERBOX.but(at="top-left", **changes)(PHOTO)
    explanation = explain(reference, candidate, PHOTO)
    assert np.abs(prepare(PHOTO, explanation.spec) - candidate).max() < 1e-6
    assert np.abs(prepare(PHOTO, explanation.reference_spec) - reference).max() < 1e-6
    written = explanation.findings[0].parameters
    assert parse_spec(written["spec"]) == explanation.spec
    assert parse_spec(written["reference_spec"]) == explanation.reference_spec


def test_three_changes_at_once():
    candidate = LETTERBOX.but(pad=0, at="top-left", bgr="before", normal=HALF)(PHOTO)
    changed = found(LETTERBOX(PHOTO), candidate)
    assert set(changed) == {
        "preprocess.geometry",
        "preprocess.channel_order",
        "preprocess.mean_std",
    }
    pad = changed["preprocess.geometry"].parameters["pad"]
    assert pad == {"to": [128, 128], "value": 0, "at": "top-left"}
    assert changed["preprocess.channel_order"].parameters["channels"] == "BGR"


def test_stretched_against_letterboxed():
    candidate = LETTERBOX.but(shape="stretch")(PHOTO)
    geometry = found(LETTERBOX(PHOTO), candidate)["preprocess.geometry"]
    assert geometry.parameters["resize"] == {"to": [128, 128]}
    assert geometry.evidence[0].reference.startswith(
        "longest side to 128, then padded to 128 x 128"
    )


def test_the_share_of_a_crop():
    candidate = CLASSIFIER.but(share=0.9)(PHOTO)
    geometry = found(CLASSIFIER(PHOTO), candidate)["preprocess.geometry"]
    assert geometry.parameters["share"] == pytest.approx(0.9, rel=0.005)
    assert ("crop share", 0.875) in [(e.name, e.reference) for e in geometry.evidence]


def test_kernel_and_library():
    candidate = CLASSIFIER.but(kernel="bicubic", library="opencv")(PHOTO)
    kernel = found(CLASSIFIER(PHOTO), candidate)["preprocess.resize_kernel"].parameters
    assert (kernel["kernel"], kernel["library"], kernel["antialias"]) == (
        "bicubic",
        "opencv",
        False,
    )


def test_exif_orientation_ignored():
    buffer = io.BytesIO()
    tags = Image.Exif()
    tags[0x0112] = 6
    PHOTO.save(buffer, "PNG", exif=tags)
    image = Image.open(io.BytesIO(buffer.getvalue()))
    changed = found(LETTERBOX(image), LETTERBOX.but(exif=False)(image), image)
    assert changed["preprocess.orientation"].parameters["exif"] is False
    assert "decode" in str(changed["preprocess.orientation"].parameters["spec"][0])


def test_memory_reshaped_instead_of_transposed():
    reference = LETTERBOX(PHOTO)
    candidate = np.ascontiguousarray(reference.transpose(0, 2, 3, 1)).reshape(reference.shape)
    layout = found(reference, candidate)["preprocess.layout"]
    assert layout.parameters["reshaped_from"] == [1, 128, 128, 3]


def test_a_missing_batch_axis():
    assert list(found(LETTERBOX(PHOTO), LETTERBOX(PHOTO)[0])) == ["preprocess.layout"]


def test_colours_made_grey_and_values_inverted():
    raw = CLASSIFIER.but(normal=UNIT, divide=1.0)
    weights = np.float32([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    grey = np.repeat((raw(PHOTO) * weights).sum(1, keepdims=True), 3, axis=1)
    mixed = found(raw(PHOTO), grey)["preprocess.values"].parameters["mix"]["matrix"]
    assert mixed[0] == pytest.approx([0.299, 0.587, 0.114], abs=2e-3)
    curve = found(raw(PHOTO), 255 - raw(PHOTO))["preprocess.values"].parameters["curve"]
    assert curve["points"] == [[0, 255], [255, 0]]


def test_brightness_with_clipping():
    raw = CLASSIFIER.but(normal=UNIT, divide=1.0)(PHOTO)
    changed = found(raw, np.clip(raw + 90, 0, 255))
    first, last = changed["preprocess.values"].parameters["curve"]["points"]
    assert (first[1] - first[0], last) == (90, [165, 255])


def test_noise_is_not_given_a_recipe():
    reference = CLASSIFIER(PHOTO)
    noise = np.random.default_rng(0).normal(0, 0.01, reference.shape)
    explanation = explain(reference, (reference + noise).astype(np.float32), PHOTO)
    assert not explanation.explained
    assert [f.cause for f in explanation.findings] == ["preprocess.values"]
    assert explanation.findings[0].confidence < 0.5
    assert explanation.sentence.startswith("The inputs differ and the difference is only in part")


def test_another_photograph_is_not_explained():
    other = CLASSIFIER(photograph("astronaut"))
    explanation = explain(CLASSIFIER(PHOTO), other, PHOTO)
    assert not explanation.same
    assert not explanation.explained
    assert "tried: preprocess.geometry" in explanation.sentence


def test_the_image_of_something_else_still_leaves_the_tensors():
    wrong = photograph("astronaut")
    assert list(found(CLASSIFIER(PHOTO), CLASSIFIER(PHOTO)[:, ::-1], wrong)) == [
        "preprocess.channel_order"
    ]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"divide": 1.0}, "preprocess.range"),
        ({"normal": HALF}, "preprocess.mean_std"),
        ({"bgr": "before"}, "preprocess.channel_order"),
        ({"layout": "NHWC"}, "preprocess.layout"),
        ({"layout": "NCWH"}, "preprocess.layout"),
        ({"flip": "rotate_90"}, "preprocess.orientation"),
        ({"gamma": 2.2}, "preprocess.values"),
        ({"kernel": "nearest"}, "preprocess.resize_kernel"),
        ({"share": 1.0}, "preprocess.geometry"),
        ({"shape": "letterbox"}, "preprocess.geometry"),
    ],
)
def test_without_the_image(changes, cause):
    assert list(found(CLASSIFIER(PHOTO), CLASSIFIER.but(**changes)(PHOTO), None)) == [cause]


def test_without_the_image_a_letterbox_is_measured():
    stretched, boxed = LETTERBOX.but(shape="stretch")(PHOTO), LETTERBOX(PHOTO)
    geometry = found(stretched, boxed, None)["preprocess.geometry"]
    assert geometry.parameters["resize"] == {"longest": 128}
    assert geometry.parameters["pad"] == {"to": [128, 128], "value": 114, "at": "center"}


def test_without_the_image_colours_are_told_besides_geometry():
    candidate = CLASSIFIER.but(shape="stretch", bgr="before", normal=HALF)(PHOTO)
    changed = found(CLASSIFIER.but(shape="letterbox")(PHOTO), candidate, None)
    assert set(changed) == {
        "preprocess.geometry",
        "preprocess.channel_order",
        "preprocess.mean_std",
    }
    assert changed["preprocess.mean_std"].parameters["mean"] == pytest.approx(HALF[0], rel=1e-2)


def test_both_known_normalisations_are_named_without_the_image():
    finding = found(CLASSIFIER(PHOTO), CLASSIFIER.but(normal=HALF)(PHOTO), None)
    mean = finding["preprocess.mean_std"].evidence[0]
    assert mean.reference == pytest.approx(IMAGENET[0], rel=1e-3)
    assert mean.candidate == pytest.approx(HALF[0], rel=1e-3)


def test_the_reference_spec_gives_the_words():
    own = ((0.3, 0.3, 0.3), (0.2, 0.2, 0.2))
    spec = parse_spec(
        "[{scale: {factor: 0.00392156862745098}}, {normalize: {mean: 0.3, std: 0.2}}]"
    )
    reference = CLASSIFIER.but(normal=own)
    explanation = explain(reference(PHOTO), reference.but(divide=1.0)(PHOTO), None, spec)
    assert [f.cause for f in explanation.findings] == ["preprocess.range"]


def test_half_precision_hides_nothing():
    candidate = CLASSIFIER.but(kernel="bicubic", dtype="float16")(PHOTO)
    assert list(found(CLASSIFIER(PHOTO), candidate)) == ["preprocess.resize_kernel"]


def test_the_worst_picture_of_a_batch():
    one = CLASSIFIER(PHOTO)
    candidate = np.concatenate([one, one[:, ::-1]])
    assert list(found(np.concatenate([one, one]), candidate)) == ["preprocess.channel_order"]


def test_files_and_tensors_are_taken(tmp_path):
    import torch

    np.save(tmp_path / "a.npy", CLASSIFIER(PHOTO))
    candidate = torch.from_numpy(CLASSIFIER(PHOTO)[:, ::-1].copy())
    causes = [f.cause for f in divergence.explain_inputs(tmp_path / "a.npy", candidate)]
    assert causes == ["preprocess.channel_order"]


def test_what_cannot_be_read(tmp_path):
    text = tmp_path / "a.npy"
    text.write_text("no array")
    with pytest.raises(InputError, match=r"is not a \.npy or \.npz file"):
        explain_inputs(text, text)
    with pytest.raises(InputError, match="There is no file"):
        explain_inputs(tmp_path / "b.npy", text)
    with pytest.raises(InputError, match="named inputs and the other a single array"):
        explain_inputs({"x": np.zeros(3)}, np.zeros(3))
    with pytest.raises(InputError, match="An input of numbers is needed"):
        explain_inputs(np.array(["a"]), np.array(["b"]))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (np.zeros(3), np.zeros(3), True),
        (np.array([1, 2]), np.array([1, 3]), False),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), False),
        (np.zeros((1, 3)), np.zeros((3, 1)), False),
        (np.array([1, 2]), np.array([1.0, 2.0]), True),
    ],
)
def test_agreement(first, second, same):
    assert agree(first, second) is same


def test_a_picture_that_is_normalised_twice_is_called_so():
    mean, std = (
        np.reshape(v, (1, 3, 1, 1)) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 40, 40)) / 255
    once = ((picture - mean) / std).astype(np.float32)
    twice = ((once - mean) / std).astype(np.float32)
    (found,) = explain_inputs(once, twice)
    assert found.cause == "preprocess.mean_std"
    assert found.explanation.endswith("the candidate is normalised twice.")
    assert found.parameters["twice"]
    (back,) = explain_inputs(picture.astype(np.float32), once)
    assert "twice" not in back.parameters


def test_rows_of_other_shapes_leave_nothing_to_measure():
    found = explain(np.ones((4, 3)), np.zeros((2, 5)))
    assert found.sentence == "The inputs differ by inputs.other."
