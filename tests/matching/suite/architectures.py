"""The networks: those that figures were tuned on, and those that are only measured.

One whose misses were looked at before something was mended moves to the tuned half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sample_models.calibrate import calibrate

Half = Literal["tuned", "measured"]


@dataclass(frozen=True)
class Architecture:
    """A network by name, the shape of its input, and which half of the suite it is in."""

    name: str
    half: Half
    build: Callable[[], nn.Module]
    shape: tuple[int, ...] = (1, 3, 64, 64)

    def model(self) -> nn.Module:
        """Return the network calibrated on values of both kinds that it is measured on.

        On one kind alone its normalisations amplify the other, and rounding with it (levit_128s:
        until a file and its own model differ by more than the truth allows).
        """
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(2)
        shape = (2, *self.shape[1:])
        kinds = torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)
        return calibrate(self.build().eval(), torch.cat(kinds))

    def inputs(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(1)
        return torch.rand(self.shape, generator=generator), torch.randn(
            self.shape, generator=generator
        )


class Repeated(nn.Module):
    """One block called three times, one weight in two layers, a table shared with the head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.conv = nn.Conv2d(16, 16, 3, padding=1)
        self.norm = nn.GroupNorm(4, 16)
        self.act = nn.SiLU(inplace=True)
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 16)
        self.second.weight = self.first.weight
        self.head = nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = x + self.act(self.norm(self.conv(x)))
        x = x.flatten(2).mean(2)
        return self.head(self.second(torch.tanh(self.first(x))))


class Tagger(nn.Module):
    """An LSTM between two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(16, 32)
        self.lstm = nn.LSTM(32, 24, num_layers=2, bidirectional=True, batch_first=True)
        self.norm = nn.LayerNorm(48)
        self.head = nn.Linear(48, 5)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.lstm(self.embed(x).tanh())
        return torch.log_softmax(self.head(self.norm(steps)), dim=-1)


class States(nn.Module):
    """Last states of a GRU and of an LSTM with two layers and two directions, all of them used."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(16, 32)
        self.lstm = nn.LSTM(32, 24, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(48, 24, batch_first=True)
        self.hidden, self.cell, self.last = nn.Linear(96, 8), nn.Linear(96, 8), nn.Linear(24, 8)

    def forward(self, x: Tensor) -> Tensor:
        steps, (hidden, cell) = self.lstm(self.embed(x).tanh())
        _, last = self.gru(steps)
        states = (state.transpose(0, 1).flatten(1) for state in (hidden, cell, last))
        hidden, cell, last = states
        return self.hidden(hidden) + self.cell(cell) + self.last(last)


def _timm(name: str, **options: object) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm

        return timm.create_model(name, **options)

    return build


def _yolo(configuration: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from ultralytics.nn.tasks import DetectionModel, WorldModel

        kind = WorldModel if "world" in configuration else DetectionModel
        model = kind(configuration, verbose=False).eval()
        if kind is WorldModel:
            words = torch.randn(model.txt_feats.shape, generator=torch.Generator().manual_seed(0))
            model.txt_feats = nn.functional.normalize(words, dim=-1)
        return model

    return build


def _esrgan() -> nn.Module:
    from spandrel.architectures.ESRGAN import ESRGAN

    return ESRGAN(scale=2, num_filters=16, num_blocks=3)


def _swinir() -> nn.Module:
    from spandrel.architectures.SwinIR import SwinIR

    return SwinIR(
        img_size=16, window_size=8, embed_dim=24, depths=[2, 2], num_heads=[2, 2], mlp_ratio=2,
        upscale=2, upsampler="pixelshuffledirect",
    )  # fmt: skip


ARCHITECTURES = (
    Architecture("resnet18", "tuned", _timm("resnet18")),
    Architecture("mobilenetv3_small_050", "tuned", _timm("mobilenetv3_small_050")),
    Architecture("convnext_atto", "tuned", _timm("convnext_atto")),
    Architecture("vit_tiny", "tuned", _timm("vit_tiny_patch16_224", img_size=64)),
    Architecture("swin_tiny", "tuned", _timm("swin_tiny_patch4_window7_224", img_size=56),
                 (1, 3, 56, 56)),
    Architecture("yolo12n", "tuned", _yolo("yolo12n.yaml"), (1, 3, 128, 128)),
    Architecture("lstm", "tuned", Tagger, (1, 12, 16)),
    Architecture("states", "tuned", States, (1, 12, 16)),
    Architecture("repeated", "tuned", Repeated, (1, 3, 32, 32)),
    Architecture("efficientnet_b0", "tuned", _timm("efficientnet_b0")),
    Architecture("regnety_002", "measured", _timm("regnety_002")),
    Architecture("deit3_small", "tuned", _timm("deit3_small_patch16_224", img_size=64)),
    Architecture("mixer_s32", "tuned", _timm("mixer_s32_224", img_size=96), (1, 3, 96, 96)),
    Architecture("levit_128s", "tuned", _timm("levit_128s"), (1, 3, 224, 224)),
    Architecture("coat_tiny", "tuned", _timm("coat_tiny", img_size=64)),
    Architecture("mobilevit_xxs", "tuned", _timm("mobilevit_xxs")),
    Architecture("pit_xs", "measured", _timm("pit_xs_224"), (1, 3, 224, 224)),
    Architecture("gmlp_s16", "measured", _timm("gmlp_s16_224"), (1, 3, 224, 224)),
    Architecture("mobilenetv4_small", "measured", _timm("mobilenetv4_conv_small_050")),
    Architecture("yolov8s_world", "measured", _yolo("yolov8s-worldv2.yaml"), (1, 3, 128, 128)),
    Architecture("esrgan", "measured", _esrgan, (1, 3, 16, 16)),
    Architecture("swinir", "tuned", _swinir, (1, 3, 16, 16)),
)  # fmt: skip


def perturbed(model: nn.Module) -> nn.Module:
    """Return a copy whose first layer with a weight has other values: half noise."""
    from copy import deepcopy

    changed = deepcopy(model)
    generator = torch.Generator().manual_seed(7)
    layer = next(m for m in changed.modules() if isinstance(m, nn.Conv2d | nn.Linear))
    with torch.no_grad():
        noise = torch.randn(layer.weight.shape, generator=generator)
        layer.weight = nn.Parameter(layer.weight + 0.5 * layer.weight.std() * noise)
    return changed
