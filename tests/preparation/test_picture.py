"""Images of every mode, and images that are none."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from divergence.errors import InputError
from divergence.preparation import picture
from divergence.preparation.apply import prepare
from divergence.preparation.picture import image_notes, open_image
from divergence.preparation.spec import parse_spec

PLAIN = parse_spec([{"decode": {"mode": "RGB"}}])
RAMP = np.arange(60, dtype=np.uint8).reshape(6, 10)


def test_grey_fills_three_equal_channels():
    made = prepare(Image.fromarray(RAMP), PLAIN)
    assert np.array_equal(made, np.repeat(RAMP[:, :, None], 3, axis=2))


def test_one_grey_channel_is_kept_where_asked_for():
    made = prepare(Image.fromarray(RAMP), parse_spec("[{decode: {mode: L}}, {layout: NCHW}]"))
    assert made.shape == (1, 1, 6, 10)


def test_a_palette_is_looked_up():
    image = Image.fromarray(RAMP).convert("P")
    assert np.array_equal(prepare(image, PLAIN), np.array(image.convert("RGB")))


def test_transparency_is_dropped_and_said():
    rgba = np.dstack([RAMP, RAMP, RAMP, np.zeros_like(RAMP)])
    image = Image.fromarray(rgba)
    assert np.array_equal(prepare(image, PLAIN)[:, :, 0], RAMP)
    assert "transparency is dropped" in image_notes(image)[0]


def test_cmyk_is_converted_as_pillow_does():
    image = Image.new("CMYK", (4, 3), (10, 20, 30, 40))
    assert np.array_equal(prepare(image, PLAIN), np.array(image.convert("RGB")))


def test_of_sixteen_bits_the_upper_eight_are_used():
    image = Image.fromarray((RAMP.astype(np.uint16) << 8) + 7)
    assert np.array_equal(prepare(image, PLAIN)[:, :, 0], RAMP)
    assert "16 bits" in image_notes(image)[0]


def test_thirty_two_bits_and_floats_are_refused():
    with pytest.raises(InputError, match="32-bit values"):
        prepare(Image.fromarray(RAMP.astype(np.int32) * 100_000), PLAIN)
    with pytest.raises(InputError, match="floating-point values"):
        prepare(Image.fromarray(RAMP.astype(np.float32)), PLAIN)


def test_of_an_animation_the_first_frame_is_used_and_said(tmp_path):
    path = tmp_path / "moving.gif"
    frames = [Image.new("L", (8, 8), value) for value in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert prepare(path, PLAIN).max() < 50
    assert image_notes(open_image(path)) == ("the image has 2 frames; the first is used",)


@pytest.mark.parametrize("exif", [True, False])
def test_exif_orientation(tmp_path, exif):
    path = tmp_path / "turned.png"
    image = Image.fromarray(RAMP)
    tags = image.getexif()
    tags[0x0112] = 6
    image.save(path, exif=tags)
    made = prepare(path, parse_spec([{"decode": {"mode": "L", "exif": exif}}]))[:, :, 0]
    assert np.array_equal(made, np.rot90(RAMP, 3) if exif else RAMP)


def test_what_is_no_image(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("no image")
    with pytest.raises(InputError, match="is not an image that Pillow can read"):
        open_image(path)
    with pytest.raises(InputError, match=r"There is no image file 'nowhere.png'"):
        open_image("nowhere.png")


def test_a_truncated_image(tmp_path):
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "PNG")
    path = tmp_path / "half.png"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(InputError, match="cannot be decoded"):
        prepare(path, PLAIN)


def test_an_empty_and_a_huge_image(monkeypatch):
    with pytest.raises(InputError, match="is empty: 0 x 5 pixels"):
        open_image(Image.new("L", (0, 5)))
    monkeypatch.setattr(picture, "MAX_PIXELS", 50)
    with pytest.raises(InputError, match="10 x 6 pixels, more than the 50 that are read"):
        open_image(Image.fromarray(RAMP))
