"""Real architectures, calibrated; those that thresholds come from apart from those measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from sample_models.calibrate import calibrate
from tests.zoo import networks


@dataclass(frozen=True)
class Subject:
    """A model, its input, and its ONNX file as one exporter made it."""

    name: str
    exporter: str
    model: nn.Module
    inputs: Tensor
    file: onnx.ModelProto


Build = Callable[[], tuple[nn.Module, Tensor]]


def _timm(name: str, side: int, **extra: Any) -> Build:
    def make() -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, **extra)

    return _calibrated(make, lambda: torch.randn(1, 3, side, side))


def _small(kind: type[nn.Module], *shape: int) -> Build:
    return _calibrated(kind, lambda: torch.randn(*shape))


def _text(kind: type[nn.Module]) -> Build:
    return _calibrated(kind, lambda: torch.randint(1, 50, (1, 12)))


def _vision(name: str, side: int) -> Build:
    def make() -> nn.Module:
        import torchvision

        return torchvision.models.get_model(name, weights=None)

    return _calibrated(make, lambda: torch.randn(1, 3, side, side))


def _calibrated(make: Callable[[], nn.Module], value: Callable[[], Tensor]) -> Build:
    def build() -> tuple[nn.Module, Tensor]:
        torch.manual_seed(0)
        model, given = make(), value()
        return calibrate(model, given), given

    return build


# Thresholds and rules come from these.
DERIVED: Mapping[str, Build] = {
    "resnet18": _timm("resnet18", 64),
    "vit_tiny": _timm("vit_tiny_patch16_224", 64, img_size=64),
    "mobilenetv3_small": _timm("mobilenetv3_small_050", 64),
    # By default a block adds a millionth of itself: whatever is planted there is rounding.
    "convnext_atto": _timm("convnext_atto", 64, ls_init_value=0.5),
    "upscaler": _small(networks.Upscaler, 1, 3, 16, 16),
}
# Measured, and mended where they showed a general fault.
MEASURED: Mapping[str, Build] = {
    "efficientnet_b0": _timm("efficientnet_b0", 64),
    "deit_tiny": _timm("deit_tiny_distilled_patch16_224", 64, img_size=64),
    "swin_tiny": _timm("swin_tiny_patch4_window7_224", 224),
    "levit_128s": _timm("levit_128s", 224),
    "regnety_002": _timm("regnety_002", 64),
    "mixer_s32": _timm("mixer_s32_224", 224),
    "pvt_v2_b0": _timm("pvt_v2_b0", 64),
    "ghostnet": _timm("ghostnet_050", 64),
    "densenet": _timm("densenet121", 64),
    "poolformer": _timm("poolformer_s12", 64),
    "recurrent": _small(networks.Recurrent, 1, 12, 16),
    "tagger": _small(networks.Tagger, 1, 12, 16),
    "unet": _small(networks.UNet, 1, 3, 32, 32),
    "writer": _text(networks.Writer),
    "reader": _text(networks.Reader),
    "listener": _small(networks.Listener, 1, 1, 512),
    "grouped": _small(networks.Grouped, 1, 3, 24, 24),
    "convnextv2_atto": _timm("convnextv2_atto", 64),
    "edgenext_xxs": _timm("edgenext_xx_small", 64, ls_init_value=0.5),
    "mobilevit_xxs": _timm("mobilevit_xxs", 64),
    "fastvit_t8": _timm("fastvit_t8", 64, layer_scale_init_value=0.5),
    "repvgg_a0": _timm("repvgg_a0", 64),
    "xcit_nano": _timm("xcit_nano_12_p16_224", 64, img_size=64, eta=0.5, depth=4),
    "eva02_tiny": _timm("eva02_tiny_patch14_224", 56, img_size=56),
    "coatnet_nano": _timm("coatnet_nano_rw_224", 64, img_size=64),
    "maxvit_tiny": _timm("maxvit_rmlp_pico_rw_256", 64, img_size=64),
}
# Looked at by nobody before the figures were taken.
UNSEEN: Mapping[str, Build] = {
    "hrnet_w18_small": _timm("hrnet_w18_small", 64),
    "cait_xxs24": _timm("cait_xxs24_224", 64, img_size=64, init_values=0.5, depth=6),
    "res2net50": _timm("res2net50_26w_4s", 64),
    "mobileone_s0": _timm("mobileone_s0", 64),
    "shufflenet": _vision("shufflenet_v2_x0_5", 64),
    "squeezenet": _vision("squeezenet1_1", 64),
    "inception_v3": _timm("inception_v3", 96),
    "beit_small": _timm(
        "beit_base_patch16_224",
        64,
        img_size=64,
        embed_dim=96,
        depth=4,
        num_heads=4,
        init_values=0.5,
    ),
    "nf_regnet_b0": _timm("nf_regnet_b0", 64),
    "video": _small(networks.Video, 1, 3, 4, 24, 24),
}
SUBJECTS: Mapping[str, Build] = {**DERIVED, **MEASURED, **UNSEEN}


def subject(name: str, exporter: str, folder: Path) -> Subject:
    """Build, calibrate and export, once for a folder; exporter is "torchscript" or "dynamo"."""
    model, value = SUBJECTS[name]()
    path = folder / f"{name}-{exporter}.onnx"
    weights = path.with_suffix(".weights")
    if not path.exists():
        _export(model, value, path, exporter)
        torch.save(model.state_dict(), weights)
    model.load_state_dict(torch.load(weights, weights_only=True))
    return Subject(name, exporter, model, value, onnx.load(path))


def _export(model: nn.Module, value: Tensor, path: Path, exporter: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            torch.onnx.export(model, (value,), path, dynamo=True, verbose=False)
        else:
            torch.onnx.export(model, (value,), path, dynamo=False)
