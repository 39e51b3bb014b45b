"""Incident: YOLO12 exported with an attention that is not the one it was trained with.

The fused attention cannot be exported, so it was swapped for a plain dot product before the
export. `right` is that, `unscaled` forgets the scale of the logits, and `regrouped` puts the
heads together in the order in which the fused kernel keeps them. One block is swapped in each.
"""

from __future__ import annotations

import copy
import types
from pathlib import Path

from torch import Tensor, nn

from sample_models.calibrate import calibrate
from sample_models.photographs import batch
from sample_models.sample import Sample, export, main, write
from sample_models.yolo12 import network

BLOCK = "model.6.m.1.0.attn"


def swap(model: nn.Module, scaled: bool = True, merged: bool = True) -> nn.Module:
    """Return a copy of `model` with a plain attention in `BLOCK`.

    scaled: the logits are multiplied by the inverse root of the head's width.
    merged: heads stand next to each other for each position, as the projection expects.
    """
    changed = copy.deepcopy(model)
    attention = changed.get_submodule(BLOCK)

    def forward(self: nn.Module, features: Tensor) -> Tensor:
        count, _, height, width = features.shape
        areas, tokens = count * self.area, height * width // self.area
        joined = self.qkv(features).flatten(2).transpose(1, 2)
        joined = joined.reshape(areas, tokens, self.num_heads, 3 * self.head_dim)
        query, key, value = joined.transpose(1, 2).split(self.head_dim, dim=-1)
        logits = query @ key.transpose(-2, -1)
        if scaled:
            logits = logits * self.head_dim**-0.5
        mixed = logits.softmax(dim=-1) @ value

        def as_image(heads: Tensor, aligned: bool = True) -> Tensor:
            if aligned:
                heads = heads.transpose(1, 2)
            image = heads.reshape(count, height, width, self.all_head_dim)
            return image.permute(0, 3, 1, 2)

        return self.proj(as_image(mixed, merged) + self.pe(as_image(value)))

    attention.forward = types.MethodType(forward, attention)
    return changed


def build(directory: Path, exporter: str = "torchscript") -> Sample:
    """Write the right pair and the two faulty ones into `directory`."""
    images = batch(640)
    model, inputs = calibrate(network(), images), {"x": images[:1]}
    exported = {
        "right": swap(model),
        "unscaled": swap(model, scaled=False),
        "regrouped": swap(model, merged=False),
    }
    plain = write(directory, model, "sample_models.yolo12:network", inputs, exporters=())
    return plain.with_onnx(
        {
            name: export(changed, inputs, directory / f"{name}.onnx", exporter)
            for name, changed in exported.items()
        }
    )


if __name__ == "__main__":
    main(build)
