"""Preparations that are declared elsewhere, compared with the code that declares them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision import transforms, tv_tensors
from torchvision.models import ResNet50_Weights
from torchvision.transforms import v2
from torchvision.transforms._presets import ObjectDetection, SemanticSegmentation

from divergence.errors import SpecError
from divergence.preparation import sources
from divergence.preparation.apply import prepare
from divergence.preparation.source import resolve, resolve_steps
from divergence.preparation.sources import huggingface, timm, torchvision, ultralytics
from divergence.preparation.spec import parse_spec, to_json
from tests.preparation.photographs import photograph

HALVED = "{scale: {factor: 0.5}}"
UNIT = "{scale: {factor: 0.00392156862745098}}"
PHOTO = photograph("chelsea")


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
@pytest.mark.parametrize("size", [(224, 224), (160, 224)])
def test_timms_evaluation_transform(mode, size):
    from timm.data import create_transform

    config = {
        "input_size": (3, *size),
        "crop_pct": 0.9,
        "crop_mode": mode,
        "interpolation": "bicubic",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.5, 0.5),
    }
    wanted = create_transform(**config, is_training=False)(PHOTO).numpy()
    assert np.array_equal(prepare(PHOTO, timm.read_config(config))[0], wanted)


def test_timms_defaults_and_a_size_of_the_file():
    declared = sources.from_model(SimpleNamespace(pretrained_cfg={"crop_pct": None}), (96, 96))
    assert declared.origin == "timm pretrained_cfg"
    assert prepare(PHOTO, declared.spec).shape == (1, 3, 96, 96)
    assert "0.485" in to_json(declared.spec)


def test_a_model_that_declares_nothing():
    assert sources.from_model(torch.nn.Linear(2, 2)) is None
    assert sources.from_metadata({"author": "me"}) is None


def test_torchvisions_preset():
    preset = ResNet50_Weights.IMAGENET1K_V2.transforms()
    made = prepare(PHOTO, torchvision.read_transforms(preset))
    assert np.array_equal(made[0], preset(PHOTO).numpy())


@pytest.mark.parametrize(
    "chain",
    [
        transforms.Compose([transforms.Resize((64, 80)), transforms.ToTensor()]),
        v2.Compose(
            [
                v2.ToImage(),
                v2.Resize(96, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
                v2.CenterCrop(64),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.5] * 3),
            ]
        ),
        transforms.Compose(
            [
                transforms.PILToTensor(),
                transforms.Resize(96),
                transforms.ConvertImageDtype(torch.float32),
            ]
        ),
        v2.Compose(
            [
                v2.RGB(),
                v2.ToImage(),
                v2.Resize(96, interpolation=v2.InterpolationMode.NEAREST_EXACT),
                v2.ToDtype({tv_tensors.Image: torch.float32, "others": None}, scale=True),
            ]
        ),
        transforms.Compose([transforms.CenterCrop((333, 200)), transforms.ToTensor()]),
        v2.Compose(
            [v2.Resize(63), transforms.ToTensor(), v2.Normalize([0.5], [0.5]), v2.CenterCrop(96)]
        ),
        SemanticSegmentation(resize_size=96),
        ObjectDetection(),
    ],
)
def test_torchvisions_transforms(chain):
    made = prepare(PHOTO, torchvision.read_transforms(chain))
    assert np.abs(made.reshape(chain(PHOTO).shape) - chain(PHOTO).numpy()).max() <= 2.4e-7


def test_a_transform_that_a_spec_cannot_say():
    with pytest.raises(SpecError, match=r"RandomErasing cannot be said in a SPEC; .* callable"):
        torchvision.read_transforms(transforms.Compose([transforms.RandomErasing()]))


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        (
            {
                "size": {"height": 32, "width": 40},
                "resample": 3,
                "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3,
            },
            "{resize: {to: [32, 40], kernel: bicubic}}, " + UNIT + ","
            "{normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}",
        ),
        (
            {
                "size": {"shortest_edge": 32},
                "do_center_crop": True,
                "crop_size": {"height": 24, "width": 24},
                "do_normalize": False,
                "rescale_factor": 0.5,
            },
            "{resize: {shortest: 32}}, {crop: {size: 24, at: center-floor, outside: 0}}, " + HALVED,
        ),
        (
            {
                "size": {"shortest_edge": 224},
                "crop_pct": 0.875,
                "do_normalize": False,
                "image_processor_type": "ConvNextImageProcessorFast",
            },
            "{resize: {shortest: 256, library: torch, antialias: true}}, "
            "{crop: {size: 224, at: center-floor}}, " + UNIT,
        ),
        (
            {
                "size": {"shortest_edge": 800, "longest_edge": 1333},
                "do_normalize": False,
                "do_pad": True,
            },
            "{resize: {shortest: 800, at_most: 1333}}, " + UNIT,
        ),
        (
            {"size": 800, "max_size": 1333, "do_resize": True, "do_normalize": False},
            "{resize: {shortest: 800, at_most: 1333}}, " + UNIT,
        ),
        (
            {
                "size": 256,
                "do_center_crop": True,
                "crop_size": 224,
                "do_normalize": False,
                "feature_extractor_type": "DeiTFeatureExtractor",
            },
            "{resize: {to: [256, 256]}}, {crop: {size: 224, at: center-floor, outside: 0}}, "
            + UNIT,
        ),
        (
            {
                "size": {"shortest_edge": 224},
                "do_normalize": False,
                "image_processor_type": "LevitImageProcessor",
            },
            "{resize: {shortest: 256}}, " + UNIT,
        ),
        (
            {
                "size": {"height": 64, "width": 32},
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.25, 0.25, 0.25],
                "image_processor_type": "EfficientNetImageProcessor",
            },
            "{resize: {to: [64, 32]}}, "
            + UNIT
            + ", {normalize: {mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}}, "
            "{normalize: {mean: 0, std: [0.25, 0.25, 0.25]}}",
        ),
        (
            {
                "size": {"longest_edge": 64},
                "do_rescale": False,
                "do_flip_channel_order": True,
                "image_mean": None,
                "do_normalize": False,
                "do_pad": True,
                "pad_size": 64,
            },
            "{resize: {longest: 64}}, {pad: {to: 64, value: 0, at: top-left}}, {channels: BGR}",
        ),
    ],
)
def test_hugging_face(config, wanted, monkeypatch):
    monkeypatch.setattr(huggingface, "_installed", lambda: 4)
    ends = "{layout: NCHW}, {dtype: float32}"
    assert huggingface.read_config(config) == parse_spec(
        f"[{{decode: {{exif: false}}}}, {wanted}, {ends}]"
    )


@pytest.mark.parametrize(
    ("version", "name", "library"),
    [
        (4, "CLIPImageProcessor", "pillow"),
        (5, "CLIPImageProcessor", "torch"),
        (5, "CLIPImageProcessorPil", "pillow"),
        (4, "CLIPImageProcessorFast", "torch"),
    ],
)
def test_the_library_of_a_hugging_face_processor(version, name, library, monkeypatch):
    monkeypatch.setattr(huggingface, "_installed", lambda: version)
    config = {"size": 8, "image_processor_type": name}
    assert huggingface.read_config(config).steps[1].library == library


@pytest.mark.parametrize(("size", "wanted"), [((480, 640), (60, 80)), ((300, 451), (53, 80))])
def test_detrs_sizes(size, wanted):
    """The shorter side to 64, the longer one 80 at most, as its processor has it."""
    resize = huggingface.read_config({"size": {"shortest_edge": 64, "longest_edge": 80}}).steps[1]
    assert resize.size(*size) == wanted
    assert resize.size(*size[::-1]) == wanted[::-1]


def test_hugging_face_says_what_it_cannot_read():
    with pytest.raises(SpecError, match="do_thumbnail cannot be said in a SPEC"):
        huggingface.read_config({"size": 3, "do_thumbnail": True})
    with pytest.raises(SpecError, match="brings pictures to size in a way"):
        huggingface.read_config({"size": 3, "image_processor_type": "YolosImageProcessor"})
    with pytest.raises(SpecError, match="brings pictures to size in a way"):
        huggingface.read_config({"size": {"height": 3, "width": 3}, "keep_aspect_ratio": True})
    with pytest.raises(SpecError, match="brings pictures to size in a way"):
        huggingface.read_config({"size": 3, "size_divisor": 32, "do_pad": True})


def test_a_preprocessor_config_is_known_by_its_content(tmp_path):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({"size": 32, "do_normalize": False}))
    assert resolve(path).steps[1].to == (32, 32)
    model = SimpleNamespace(config=SimpleNamespace(name_or_path=str(tmp_path)))
    assert sources.from_model(model).origin == "preprocessor_config.json"


def test_ultralytics_metadata():
    metadata = {"author": "Ultralytics", "imgsz": "[320, 320]", "task": "detect"}
    declared = sources.from_metadata(metadata)
    assert prepare(PHOTO, declared.spec).shape == (1, 3, 320, 320)
    assert ultralytics.read_metadata(metadata | {"imgsz": "[32, 64]", "task": "classify"})


@pytest.mark.real
def test_ultralytics_letterbox_and_models():
    from ultralytics import YOLO
    from ultralytics.data.augment import LetterBox

    model = YOLO("yolo12n.yaml", verbose=False)
    declared = sources.from_model(model)
    assert declared == sources.from_model(model.model)
    wanted = LetterBox((640, 640))(image=np.array(PHOTO)).transpose(2, 0, 1) / np.float32(255)
    assert np.array_equal(prepare(PHOTO, declared.spec)[0], wanted)


@pytest.mark.real
def test_timm_models():
    import timm as library
    from timm.data import create_transform, resolve_model_data_config

    model = library.create_model("vit_small_patch16_224.augreg_in21k_ft_in1k")
    wanted = create_transform(**resolve_model_data_config(model), is_training=False)(PHOTO)
    assert np.array_equal(prepare(PHOTO, sources.from_model(model).spec)[0], wanted.numpy())


def test_resolve_imports_a_callable(tmp_path):
    path = tmp_path / "mine_prepare.py"
    path.write_text("def prepare(image):\n    return image.size\n")
    assert prepare(PHOTO, resolve(f"{path}:prepare")).tolist() == list(PHOTO.size)
    with pytest.raises(SpecError, match=r"has no 'prepaer'. Did you mean prepare"):
        resolve(f"{path}:prepaer")
    with pytest.raises(SpecError, match="cannot be imported"):
        resolve("no_such_package.at_all:prepare")


def test_what_is_written_into_a_file_has_steps(tmp_path):
    config = tmp_path / "preprocessor_config.json"
    config.write_text(json.dumps({"size": 32, "do_normalize": False}))
    assert resolve_steps(str(config)) == huggingface.read_file(config)
    held = "from torchvision.transforms import Compose, ToTensor\nchain = Compose([ToTensor()])\n"
    (tmp_path / "held.py").write_text(held + "def plain(image): return image\n")
    assert "scale" in to_json(resolve_steps(f"{tmp_path}/held.py:chain"))
    with pytest.raises(SpecError, match="is a callable, which cannot be written into a file"):
        resolve_steps(f"{tmp_path}/held.py:plain")
