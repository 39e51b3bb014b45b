"""Preparing an image gives what the libraries themselves give, bit for bit."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.transforms import v2

from divergence.errors import InputError
from divergence.preparation.apply import prepare, step_names
from divergence.preparation.spec import parse_spec
from tests.preparation.photographs import photograph

PHOTO = photograph("chelsea")
PIXELS = np.array(PHOTO)


def prepared(text, image=PHOTO, show=None):
    return prepare(image, parse_spec(text), show)


def test_torchvisions_evaluation_transform():
    chain = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    made = prepared(
        "[{resize: {shortest: 256}}, {crop: {share: 0.875}},"
        "{scale: {factor: 0.00392156862745098}},"
        "{normalize: {mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}, {layout: NCHW}]"
    )
    assert np.array_equal(made[0], chain(PHOTO).numpy())


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic", "lanczos", "box"])
def test_pillows_kernels(kernel):
    made = prepared(f"[{{resize: {{to: [100, 170], kernel: {kernel}}}}}]")
    assert np.array_equal(
        made, np.array(PHOTO.resize((170, 100), Image.Resampling[kernel.upper()]))
    )


@pytest.mark.parametrize(
    ("kernel", "flag"),
    [
        ("nearest", cv2.INTER_NEAREST),
        ("bilinear", cv2.INTER_LINEAR),
        ("bicubic", cv2.INTER_CUBIC),
        ("lanczos", cv2.INTER_LANCZOS4),
        ("area", cv2.INTER_AREA),
    ],
)
def test_opencvs_kernels(kernel, flag):
    made = prepared(f"[{{resize: {{to: [100, 170], kernel: {kernel}, library: opencv}}}}]")
    assert np.array_equal(made, cv2.resize(PIXELS, (170, 100), interpolation=flag))


@pytest.mark.parametrize(("kernel", "antialias"), [("bilinear", True), ("bicubic", False)])
def test_torchs_kernels_on_floats(kernel, antialias):
    made = prepared(
        f"[{{dtype: float32}}, {{resize: {{to: [100, 170], kernel: {kernel}, library: torch, "
        f"antialias: {str(antialias).lower()}}}}}]"
    )
    planes = torch.from_numpy(PIXELS).permute(2, 0, 1)[None].float()
    wanted = torch.nn.functional.interpolate(
        planes, size=(100, 170), mode=kernel, antialias=antialias
    )
    assert np.array_equal(made, wanted[0].permute(1, 2, 0).numpy())


def test_torch_on_bytes_is_torchvision_on_bytes():
    made = prepared("[{resize: {to: [100, 170], library: torch, antialias: true}}]")
    wanted = v2.Resize((100, 170), antialias=True)(torch.from_numpy(PIXELS).permute(2, 0, 1))
    assert made.dtype == np.uint8
    assert np.array_equal(made, wanted.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("at", ["center", "top-left", "bottom-right"])
def test_a_letterbox(at):
    made = prepared(
        f"[{{resize: {{longest: 128, library: opencv}}}}, {{pad: {{to: 128, at: {at}}}}}]"
    )
    small = cv2.resize(PIXELS, (128, 85), interpolation=cv2.INTER_LINEAR)
    top = {"center": 21, "top-left": 0, "bottom-right": 43}[at]
    assert np.array_equal(made[top : top + 85], small)
    assert (np.delete(made, range(top, top + 85), axis=0) == 114).all()


def test_a_border_of_three_values_and_one_of_repeated_pixels():
    coloured = prepared("[{pad: {to: [310, 460], value: [1, 2, 3]}}]")
    assert coloured[0, 0].tolist() == [1, 2, 3]
    repeated = prepared("[{pad: {to: [310, 460], value: edge}}]")
    assert np.array_equal(repeated[0, 4:-5], PIXELS[0])


def test_scaling_by_255_is_dividing_by_255():
    made = prepared("[{scale: {factor: 0.00392156862745098}}]")
    assert np.array_equal(made, PIXELS.astype(np.float32) / np.float32(255))


def test_offset_comes_before_factor():
    assert (
        prepared("[{scale: {factor: 2, offset: -10}}]")[0, 0, 0]
        == (float(PIXELS[0, 0, 0]) - 10) * 2
    )


def test_channels_are_put_in_order_once():
    made = prepared("[{channels: BGR}, {channels: BGR}]")
    assert np.array_equal(made, PIXELS[:, :, ::-1])
    assert np.array_equal(prepared("[{decode: {mode: BGR}}]"), PIXELS[:, :, ::-1])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NCWH", "CHW", "WHC"])
def test_layouts(layout):
    made = prepared(f"[{{layout: {layout}}}]")
    sizes = {"N": 1, "C": 3, "H": PIXELS.shape[0], "W": PIXELS.shape[1]}
    assert made.shape == tuple(sizes[axis] for axis in layout)
    assert made.flags["C_CONTIGUOUS"]


def test_steps_behind_the_layout_still_know_their_axes():
    first = prepared("[{resize: {to: 64}}, {pad: {to: 70}}, {layout: NCHW}]")
    late = prepared("[{layout: NCHW}, {resize: {to: 64}}, {pad: {to: 70}}]")
    assert np.array_equal(first, late)


@pytest.mark.parametrize(
    ("rounding", "wanted"), [("nearest", [2, 4, 255, 0]), ("down", [2, 3, 255, 0])]
)
def test_rounding_to_bytes(rounding, wanted):
    from divergence.preparation.picture import Picture
    from divergence.preparation.steps import DType

    picture = Picture(np.array([[[2.5], [3.7], [300.0], [-4.0]]], np.float32))
    made = DType("uint8", rounding).apply(picture).values
    assert (made.ravel().tolist(), made.dtype) == (wanted, np.uint8)


def test_each_step_is_shown_under_its_name():
    seen = {}
    spec = parse_spec("[{resize: {to: 64}}, {resize: {to: 32}}, {layout: NCHW}, {dtype: float32}]")
    made = prepare(PHOTO, spec, lambda name, value: seen.update({name: value.copy()}))
    assert tuple(seen) == step_names(spec)
    assert "preprocess.resize#1" in seen
    assert seen["preprocess.resize"].shape == (64, 64, 3)
    assert np.array_equal(seen["preprocess.dtype"], made)


def test_a_callable_prepares_the_image():
    seen = {}
    made = prepare(
        PHOTO, lambda image: torch.tensor([image.width]), lambda n, v: seen.update({n: v})
    )
    assert made.tolist() == [PHOTO.width]
    assert list(seen) == ["preprocess"]


def test_a_callable_that_fails_or_returns_no_array():
    def broken(image):
        raise KeyError("mean")

    with pytest.raises(InputError, match=r"'.*broken' fails on the image: KeyError: 'mean'"):
        prepare(PHOTO, broken)
    with pytest.raises(InputError, match="returned NoneType; it is to return an array"):
        prepare(PHOTO, lambda image: None)


@pytest.mark.parametrize(
    ("at", "before"),
    [("center", (11, 0)), ("center-floor", (12, 0)), ("top-left", (0, 0)), ("[290, 3]", (0, 0))],
)
def test_a_crop_shows_a_value_outside_of_the_picture(at, before):
    made = prepared(f"[{{decode: {{}}}}, {{crop: {{size: [323, 4], at: {at}, outside: 7}}}}]")
    picture = prepared("[{decode: {}}]")
    assert made.shape == (323, 4, 3)
    top = int(at[1:4]) if at.startswith("[") else 0
    shown = picture[top:, 3:7] if top else picture
    assert (made[: before[0]] == 7).all()
    if at in ("top-left", "[290, 3]"):
        assert np.array_equal(made[: len(shown), :4], shown[:, :4])
    assert (made[before[0] + len(shown) :] == 7).all()
    assert (made[before[0] : before[0] + len(shown)] != 7).any()


def test_a_crop_in_the_centre_is_rounded_or_cut():
    sides = {"center": 8, "center-floor": 7}  # of 451 - 436 = 15 pixels to spare
    for at, left in sides.items():
        made = prepared(f"[{{decode: {{}}}}, {{crop: {{size: [300, 436], at: {at}}}}}]")
        assert np.array_equal(made, prepared("[{decode: {}}]")[:, left : left + 436])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{crop: {size: 1000}}]", "takes 1000 x 1000 at .* from a picture of 300 x 451"),
        ("[{resize: {shortest: 30000}}]", "30000 x 45100 of 300 x 451, more than 32768 pixels"),
        ("[{pad: {to: 100}}]", "cannot fit a picture of 300 x 451"),
        ("[{normalize: {mean: [0, 0], std: 1}}]", "2 numbers for a picture of 3 channels"),
        ("[{decode: {mode: L}}, {channels: BGR}]", "the picture is L"),
        ("[{dtype: float32}, {jpeg: {quality: 50}}]", "compresses bytes"),
    ],
)
def test_a_step_that_does_not_fit_the_image(text, message):
    with pytest.raises(InputError, match=message):
        prepared(text)
