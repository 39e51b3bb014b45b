"""Small networks of kinds that timm has not: each a class, calibrated by whoever builds it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Recurrent(nn.Module):
    """Frames through two LSTM layers to class probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 24, num_layers=2, batch_first=True)
        self.head = nn.Linear(24, 10)

    def forward(self, frames: Tensor) -> Tensor:
        return self.head(self.lstm(frames)[0]).softmax(-1)


class Upscaler(nn.Module):
    """Twice as large by a pixel shuffle, twice by interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.act = nn.LeakyReLU(0.2)
        self.more = nn.Conv2d(16, 48, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.last = nn.Conv2d(12, 3, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        x = self.shuffle(self.more(self.act(self.first(picture))))
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        x = functional.avg_pool2d(x, 3, 1, 1)
        return self.last(x)


class Tagger(nn.Module):
    """Frames through a bidirectional GRU; log probabilities."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(16, 24)
        self.gru = nn.GRU(24, 20, batch_first=True, bidirectional=True)
        self.norm = nn.LayerNorm(40)
        self.head = nn.Linear(40, 7)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.gru(torch.tanh(self.enter(frames)))[0]
        return functional.log_softmax(self.head(self.norm(x)), -1)


class _Double(nn.Sequential):
    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """Encoder and decoder with skips, transposed convolutions and an interpolation."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.deep = _Double(3, 12), _Double(12, 24), _Double(24, 32)
        self.rise2 = nn.ConvTranspose2d(32, 24, 2, stride=2)
        self.up2, self.up1 = _Double(48, 24), _Double(36, 12)
        self.last = nn.Conv2d(12, 4, 1)

    def forward(self, picture: Tensor) -> Tensor:
        first = self.down1(picture)
        second = self.down2(functional.max_pool2d(first, 2))
        deep = self.deep(functional.max_pool2d(second, 2))
        x = self.up2(torch.cat([self.rise2(deep), second], 1))
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
        return torch.sigmoid(self.last(self.up1(torch.cat([x, first], 1))))


class _CausalBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.behind = nn.LayerNorm(width), nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.before(x)
        q, k, v = (
            part(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        logits = q @ k.transpose(-1, -2) * (q.shape[-1] ** -0.5)
        weights = logits.masked_fill(mask, -float("inf")).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).flatten(2))
        return x + self.narrow(functional.gelu(self.wide(self.behind(x)), approximate="tanh"))


class Writer(nn.Module):
    """A decoder of text: embeddings, causal attention, the table of embeddings as head."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50, 32), nn.Embedding(16, 32)
        self.blocks = nn.ModuleList(_CausalBlock(32, 4) for _ in range(3))
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 50, bias=False)
        self.head.weight = self.words.weight
        self.register_buffer("mask", torch.ones(16, 16, dtype=torch.bool).triu(1))

    def forward(self, tokens: Tensor) -> Tensor:
        count = tokens.shape[1]
        x = self.words(tokens) + self.places(torch.arange(count))
        for block in self.blocks:
            x = block(x, self.mask[:count, :count])
        return self.head(self.norm(x))


class Reader(nn.Module):
    """PyTorch's own encoder layers over tokens, with a padding mask made of them."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, activation="gelu")
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(32, 6)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.encoder(self.words(tokens), src_key_padding_mask=tokens == 0)
        return self.head(x.mean(1))


class _Gated(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.both = nn.Conv1d(width, 2 * width, 3, padding=dilation, dilation=dilation)
        self.norm = nn.GroupNorm(4, width)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.both(x).chunk(2, 1)
        return x + self.mix(self.norm(torch.tanh(value) * torch.sigmoid(gate)))


class Listener(nn.Module):
    """A wave through strided and dilated Conv1d layers with gates and group norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, 24, 16, stride=8, padding=4)
        self.act = nn.PReLU(24)
        self.blocks = nn.ModuleList(_Gated(24, 2**k) for k in range(3))
        self.pool = nn.AvgPool1d(3, 2, 1)
        self.head = nn.Linear(24, 5)

    def forward(self, wave: Tensor) -> Tensor:
        x = self.act(self.stem(wave))
        for block in self.blocks:
            x = block(x)
        return self.head(self.pool(x).mean(-1))


class _Normed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.norm1, self.norm2 = nn.GroupNorm(4, width), nn.GroupNorm(1, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.silu(self.norm1(self.first(x)))
        return x + functional.mish(self.norm2(self.second(y)))


class Grouped(nn.Module):
    """A diffusion-like block net: group norms, SiLU, an instance norm, nearest upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(_Normed(16), _Normed(16))
        self.norm = nn.InstanceNorm2d(16, affine=True)
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        x = functional.elu(self.norm(self.blocks(self.stem(picture))))
        return self.last(functional.interpolate(x, scale_factor=2.0, mode="nearest"))


class Video(nn.Module):
    """Frames through three-dimensional convolutions to a class."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(3, 12, (3, 5, 5), stride=(1, 2, 2), padding=(1, 2, 2))
        self.norm = nn.BatchNorm3d(12)
        self.first, self.second = (nn.Conv3d(12, 12, 3, padding=1) for _ in range(2))
        self.pool = nn.MaxPool3d((1, 2, 2))
        self.head = nn.Linear(12, 8)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.pool(functional.relu(self.norm(self.stem(frames))))
        x = functional.hardswish(x + self.second(functional.softplus(self.first(x))))
        return self.head(x.mean((2, 3, 4)))
