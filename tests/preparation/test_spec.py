"""A SPEC is read, checked, written back."""

from __future__ import annotations

import json

import pytest

from divergence.errors import SpecError
from divergence.preparation.spec import parse_spec, to_document, to_json
from divergence.preparation.steps import Crop, Decode, Layout, Normalize, Pad, Resize, Scale

EVERYTHING = """
- decode: {mode: RGB, exif: true}
- resize: {to: [480, 640], kernel: bicubic, antialias: true, library: pillow}
- crop: {size: [224, 224], at: center}
- pad: {to: [640, 640], value: 114, at: center}
- channels: BGR
- scale: {factor: 0.00392156862745098, offset: 0}
- normalize: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
- layout: NCHW
- dtype: float32
"""


def test_every_step_is_read():
    spec = parse_spec(EVERYTHING)
    assert spec.steps[1] == Resize(to=(480, 640), kernel="bicubic")
    assert spec.steps[3] == Pad(to=(640, 640), value=(114.0,), at="center")
    assert spec.steps[6] == Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.mark.parametrize(
    "text",
    [
        EVERYTHING,
        "[{resize: {shortest: 256}}, {crop: {share: 0.875, at: [3, 4]}}]",
        "[{resize: {fit: [320, 640], library: torch, antialias: true, align_corners: false}}]",
        "[{resize: {cover: 100, library: opencv, kernel: area}}, {pad: {to: 128, value: edge}}]",
        "[{turn: rotate_90}, {gamma: 2.2}, {jpeg: {quality: 60}}, {dtype: uint8}]",
        "[{curve: {points: [[0, 10], [200, 255]]}}, {dtype: {name: uint8, rounding: down}}]",
        "[{pad: {to: 64, value: [1, 2, 3], at: bottom-right}}, {layout: HWC}]",
        "[{resize: {to: 64, library: torch, kernel: bicubic, align_corners: true}}]",
    ],
)
def test_a_spec_survives_being_written(text):
    spec = parse_spec(text)
    assert parse_spec(to_document(spec)) == spec
    assert parse_spec(json.loads(to_json(spec))) == spec


def test_a_decode_step_is_added_where_none_is_given():
    assert parse_spec([{"layout": "NCHW"}]).steps == (Decode("RGB", exif=True), Layout("NCHW"))


def test_numbers_may_be_written_with_an_exponent():
    # YAML 1.1 reads 1e-3 as a text
    assert parse_spec("- scale: {factor: 1e-3}").steps[1] == Scale(1e-3)


def test_a_mapping_counts_as_a_list_of_its_items():
    spec = parse_spec({"resize": {"longest": 64}, "layout": "CHW"})
    assert [step.word for step in spec.steps] == ["decode", "resize", "layout"]


def test_a_file_is_read(tmp_path):
    path = tmp_path / "preparation.yaml"
    path.write_text(EVERYTHING)
    assert parse_spec(path) == parse_spec(str(path)) == parse_spec(EVERYTHING)


def test_an_error_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "preparation.yaml"
    path.write_text("- resise: {to: 3}")
    with pytest.raises(SpecError, match=r"preparation\.yaml: There is no step 'resise'.*resize"):
        parse_spec(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{resise: 3}]", "no step 'resise'. Did you mean resize?"),
        ("[{resize: {shrtest: 3}}]", "no key 'shrtest'. Did you mean shortest?"),
        ("[{resize: {to: 4, kernel: bicubik}}]", "got 'bicubik'. Did you mean bicubic?"),
        ("[{resize: {to: 4, library: pilow}}]", "Did you mean pillow?"),
        ("[{resize: {longest: 4, at_most: 9}}]", "stands beside shortest, got it beside longest"),
        ("[]", "such as `- resize: {longest: 640}`, got nothing"),
        ("[{resize: {to: 4, longest: 3}}]", "needs one of to, shortest, longest, fit, cover, got"),
        ("[{resize: {kernel: bicubic}}]", "got none"),
        ("[{resize: {to: 4, kernel: area}}]", "Did you mean box, its kernel that averages?"),
        ("[{resize: {to: 4, library: pillow, antialias: false}}]", "opencv or torch can"),
        ("[{resize: {to: 4, library: opencv, antialias: true}}]", "pillow or torch can"),
        ("[{resize: {to: 4, align_corners: true}}]", "is for library torch"),
        ("[{resize: {to: [3, 0]}}]", "a length of 1 to 32768 pixels, got 0"),
        ("[{resize: {to: 99999}}]", "got 99999"),
        ("[{resize: {to: [3]}}]", r"\[height, width\] in pixels, got \[3\]"),
        ("[{resize: 3}]", "got int 3"),
        ("[{crop: {size: 3, at: centre}}]", "got 'centre'. Did you mean center?"),
        ("[{crop: {share: 1.2}}]", "above 0 and at most 1, got 1.2"),
        ("[{crop: {}}]", "needs one of size, share, got none"),
        ("[{pad: {to: 5, value: x}}]", "a number, one for each channel, or edge, got 'x'"),
        ("[{pad: {to: 5, at: left}}]", "is center, top-left|is one of center, top-left"),
        ("[{channels: BRGA}]", "is one of RGB, BGR"),
        ("[{scale: {factor: .nan}}]", "a finite number, got nan"),
        ("[{scale: {factor: true}}]", "a finite number, got True"),
        ("[{normalize: {mean: 0, std: [1, 0, 1]}}]", "a zero, which nothing can be divided by"),
        ("[{normalize: {mean: 0}}]", "'normalize.std' is a number, got None"),
        ("[{layout: NCHV}]", "an order of N, C, H, W such as NCHW, got 'NCHV'"),
        ("[{dtype: float31}]", "got 'float31'. Did you mean float32"),
        ("[{decode: {exif: 1}}]", "'decode.exif' is true or false, got 1"),
        ("[{layout: NCHW}, {decode: {}}]", "must be the first step"),
        ("[{layout: NCHW, dtype: float32}]", "Step 1 is one word and its value"),
        ("[]", "A preparation is a list of steps"),
        ("{a", "neither YAML nor JSON"),
        ("nowhere.yaml", "no preparation file 'nowhere.yaml'"),
        ("[{gamma: -1}]", "above 0, got -1"),
        ("[{jpeg: {quality: 0}}]", "whole number of 1 to 100, got 0"),
        ("[{turn: rotate_45}]", "Did you mean"),
        ("[{curve: {points: [[3, 1], [2, 5]]}}]", "rises from value to value"),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(SpecError, match=message):
        parse_spec(text)


def test_antialias_false_without_a_library_is_done_by_torch():
    step = parse_spec("[{resize: {to: 4, antialias: false}}]").steps[1]
    assert (step.library, step.antialias) == ("torch", False)


@pytest.mark.parametrize(
    ("crop", "size", "window"),
    [
        (Crop(share=0.9), (248, 300), (224, 224)),
        (Crop(share=0.875), (341, 256), (224, 224)),
        (Crop(share=0.95), (235, 235), (224, 224)),
        (Crop(share=1.0), (10, 20), (10, 10)),
        (Crop(size=(3, 5)), (10, 20), (3, 5)),
    ],
)
def test_a_share_is_that_of_timm(crop, size, window):
    assert crop.window(*size) == window
