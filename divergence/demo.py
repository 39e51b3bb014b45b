"""A small network with a planted fault, to see a whole trace without any download.

Four blocks of attention on a convolutional stem. In the exported file one block
does not scale its attention logits, as happens when a fused attention is swapped for
a plain one before an export.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

_SIDE, _WIDTH, _HEADS, _BLOCKS, _CLASSES = 64, 64, 4, 4, 10
_TOKENS = (_SIDE // 8) ** 2  # the stem halves each side three times
_FAULTY_BLOCK = 2


@dataclass(frozen=True)
class Demo:
    """A pair to trace.

    model: the right network. factory and weights: the same for the command line.
    onnx: its faulty export. input: a float32 array of 1x3x64x64 in a `.npy` file.
    """

    model: nn.Module
    factory: str
    weights: Path
    onnx: Path
    input: Path


class Attention(nn.Module):
    """Attention over tokens of shape (batch, tokens, width); logits unscaled if `scale` is None."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale: float | None = (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        width = self.proj.in_features
        query, key, value = (
            part.reshape(-1, _TOKENS, self.heads, width // self.heads).transpose(1, 2)
            for part in self.qkv(tokens).split(width, dim=-1)
        )
        logits = query @ key.transpose(-2, -1)
        if self.scale is not None:
            logits = logits * self.scale
        mixed = (logits.softmax(dim=-1) @ value).transpose(1, 2)
        projected: Tensor = self.proj(mixed.reshape(-1, _TOKENS, width))
        return projected


class Block(nn.Module):
    """Attention and a perceptron, each on normalised tokens and added to what came in."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        mixed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return mixed


class Network(nn.Module):
    """Ten scores for a picture of shape (batch, 3, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, _WIDTH)
        self.stem = nn.Sequential(*(_convolution(*pair) for pair in pairwise(widths)))
        self.blocks = nn.Sequential(*(Block(_WIDTH, _HEADS) for _ in range(_BLOCKS)))
        self.norm = nn.LayerNorm(_WIDTH)
        self.head = nn.Linear(_WIDTH, _CLASSES)

    def forward(self, image: Tensor) -> Tensor:
        """Return scores of shape (batch, 10)."""
        features = self.stem(image).reshape(-1, _WIDTH, _TOKENS)
        tokens = self.blocks(features.transpose(1, 2))
        scores: Tensor = self.head(self.norm(tokens).mean(dim=1))
        return scores


def network() -> nn.Module:
    """Return the network without its weights: the factory for the command line."""
    return Network().eval()


def build_demo(directory: str | Path) -> Demo:
    """Write weights, a faulty ONNX file and an input into `directory`.

    Needs the core dependencies only; the same files come out each time.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(
        model=network(),
        factory="divergence.demo:network",
        weights=folder / "weights.pt",
        onnx=folder / "faulty.onnx",
        input=folder / "input.npy",
    )
    image = _photograph()
    _settle(demo.model, image)
    torch.save(demo.model.state_dict(), demo.weights)
    _save_array(demo.input, image)
    _export(_with_fault(demo.model), image, demo.onnx)
    return demo


def _convolution(channels: int, width: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width, momentum=None),  # None: the plain mean over what is seen
        nn.ReLU(),
    )


def _photograph() -> Tensor:
    """Return the photograph that matplotlib ships, as float32 in about -1..1."""
    import numpy as np
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((_SIDE, _SIDE)), np.float32)
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None].contiguous()


def _settle(model: nn.Module, image: Tensor) -> None:
    """Give weights that keep activations at order one, and batch statistics from `image`."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5, generator=generator)
            else:  # biases of no size and gains of one would hide faults in them
                parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
        model.train()(image)
    model.eval()


def _with_fault(model: nn.Module) -> nn.Module:
    faulty = copy.deepcopy(model)
    attention = faulty.get_submodule(f"blocks.{_FAULTY_BLOCK}.attn")
    assert isinstance(attention, Attention)
    attention.scale = None
    return faulty


def _export(model: nn.Module, image: Tensor, path: Path) -> None:
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript, which is not among the core dependencies.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model, (image,), str(path), dynamo=False, input_names=["image"], output_names=["scores"]
        )


def _save_array(path: Path, image: Tensor) -> None:
    import numpy as np

    np.save(path, image.numpy())
