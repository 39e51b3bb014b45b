"""Real architectures, calibrated; those that thresholds come from apart from those measured."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from sample_models.calibrate import calibrate


@dataclass(frozen=True)
class Subject:
    """A model, its input, and its ONNX file as one exporter made it."""

    name: str
    exporter: str
    model: nn.Module
    inputs: torch.Tensor
    file: onnx.ModelProto


def _timm(name: str, side: int, **extra: Any) -> Callable[[], tuple[nn.Module, torch.Tensor]]:
    def build() -> tuple[nn.Module, torch.Tensor]:
        import timm

        torch.manual_seed(0)
        model = timm.create_model(name, pretrained=False, **extra)
        picture = torch.randn(1, 3, side, side)
        return calibrate(model, picture), picture

    return build


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 24, num_layers=2, batch_first=True)
        self.head = nn.Linear(24, 10)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(frames)[0]).softmax(-1)


class _Upscaler(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.act = nn.LeakyReLU(0.2)
        self.more = nn.Conv2d(16, 48, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.last = nn.Conv2d(12, 3, 3, padding=1)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        x = self.shuffle(self.more(self.act(self.first(picture))))
        x = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = nn.functional.avg_pool2d(x, 3, 1, 1)
        return self.last(x)


def _small(kind: type[nn.Module], *shape: int) -> Callable[[], tuple[nn.Module, torch.Tensor]]:
    def build() -> tuple[nn.Module, torch.Tensor]:
        torch.manual_seed(0)
        value = torch.randn(*shape)
        return calibrate(kind(), value), value

    return build


Build = Callable[[], tuple[nn.Module, torch.Tensor]]

DERIVED: Mapping[str, Build] = {
    "resnet18": _timm("resnet18", 64),
    "vit_tiny": _timm("vit_tiny_patch16_224", 64, img_size=64),
    "mobilenetv3_small": _timm("mobilenetv3_small_050", 64),
    # By default a block adds a millionth of itself: whatever is planted there is rounding.
    "convnext_atto": _timm("convnext_atto", 64, ls_init_value=0.5),
    "upscaler": _small(_Upscaler, 1, 3, 16, 16),
}
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
    "recurrent": _small(_Recurrent, 1, 12, 16),
}


def subject(name: str, exporter: str, folder: Path) -> Subject:
    """Build, calibrate and export, once for a folder; exporter is "torchscript" or "dynamo"."""
    model, value = {**DERIVED, **MEASURED}[name]()
    path = folder / f"{name}-{exporter}.onnx"
    weights = path.with_suffix(".weights")
    if not path.exists():
        _export(model, value, path, exporter)
        torch.save(model.state_dict(), weights)
    model.load_state_dict(torch.load(weights, weights_only=True))
    return Subject(name, exporter, model, value, onnx.load(path))


def _export(model: nn.Module, value: torch.Tensor, path: Path, exporter: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if exporter == "dynamo":
            torch.onnx.export(model, (value,), path, dynamo=True, verbose=False)
        else:
            torch.onnx.export(model, (value,), path, dynamo=False)
