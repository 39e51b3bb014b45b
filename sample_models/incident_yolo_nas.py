"""Incident: YOLO-NAS-S validated on stretched pictures, though it was trained on letterboxed ones.

The network is right; in `candidate_preprocess` the picture is stretched to 640x640. No trained
weights can be had, so the heads alone are fitted to two photographs and their mirror images
(random features behind them). Trained weights are less sure of a shape that they have not been
trained on. Random features know no shapes, so that is fitted as well: letterboxed, the heads
find what is there; stretched, they find the same with scores below the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from modern_yolonas.model import YoloNAS
from PIL import Image, ImageOps
from torch import Tensor, nn

from divergence.preparation.apply import prepare
from divergence.preparation.spec import parse_spec
from sample_models.calibrate import calibrate
from sample_models.photographs import photograph
from sample_models.preparations import Steps, letterbox, stretch, write_steps
from sample_models.sample import Sample, main, write

SIDE = 640
THRESHOLD = 0.8  # of the score, above which a box counts
_UNSURE = 0.4  # score that the heads are fitted to give on a stretched picture
FILTERED: Steps = [
    {"boxes": "xyxy"},
    {"nms": {"score": 0.05, "iou": 0.7}},
    {"scale_boxes": "image"},
]
# What is on the photographs: class (COCO's numbers), left, top, right, bottom in pixels.
BOXES = {
    "bus": (
        (5, 22, 231, 805, 756),
        (0, 48, 398, 245, 902),
        (0, 669, 392, 809, 877),
        (0, 221, 405, 344, 857),
        (0, 0, 550, 63, 873),
    ),
    "zidane": ((0, 747, 41, 1140, 712), (0, 148, 202, 1125, 711), (27, 437, 434, 524, 709)),
}
_CLASSES = (0, 5, 27)
_STRIDES = {"head1": 8, "head2": 16, "head3": 32}


def network() -> nn.Module:
    """Return the network without its weights."""
    return YoloNAS.from_config("yolo_nas_s").eval()


def build(directory: Path, exporter: str = "torchscript") -> Sample:
    """Write the right file; the fault is in `candidate_preprocess`."""
    views = [*scenes(stretched=False), *scenes(stretched=True)]
    images = torch.from_numpy(np.concatenate([view.image for view in views]))
    model = calibrate(network(), images[: len(views) // 2])
    with torch.no_grad():
        seen = _head_inputs(model, images)
    for head, stride in _STRIDES.items():
        fit_head(getattr(model.heads, head), seen[head], views, stride)
    name = "sample_models.incident_yolo_nas:network"
    plain = write(directory, model, name, {"x": images[:1]}, (exporter,))
    return plain.with_onnx({"yolo_nas": plain.onnx[exporter]}).with_picture(
        photograph("bus"),
        preprocess=write_steps(directory / "letterbox.yaml", letterbox(SIDE)),
        candidate_preprocess=write_steps(directory / "stretch.yaml", stretch(SIDE)),
        postprocess=write_steps(directory / "filtered.yaml", FILTERED),
    )


@dataclass(frozen=True)
class View:
    """A prepared photograph and what is on it.

    image: float32 of shape (1, 3, 640, 640). boxes: rows of class, left, top, right, bottom in
    pixels of that image. sure: the score that a box on it should get.
    """

    image: np.ndarray
    boxes: np.ndarray
    sure: float


def scenes(stretched: bool) -> list[View]:
    """Return the photographs and their mirror images, stretched or letterboxed."""
    views = []
    for name, listed in BOXES.items():
        with Image.open(photograph(name)) as opened:
            picture = opened.convert("RGB")
        straight = np.array(listed, np.float64)
        mirrored = straight.copy()
        mirrored[:, [1, 3]] = picture.width - straight[:, [3, 1]]
        for view, rows in ((picture, straight), (ImageOps.mirror(picture), mirrored)):
            image = prepare(view, parse_spec((stretch if stretched else letterbox)(SIDE)))
            sure = _UNSURE if stretched else 1.0
            views.append(View(image, _moved(rows, view, stretched), sure))
    return views


def fit_head(head: nn.Module, seen: tuple[Tensor, Tensor], views: list[View], stride: int) -> None:
    """Fit the last layers of one head: logistic for the classes, least squares for the sides.

    seen: what the class layer and the side layer read, each of shape (batch, channels, n, n).
    """
    targets = [_targets(view, seen[0].shape[-1], stride) for view in views]
    inside = torch.from_numpy(np.stack([target[1] for target in targets]))
    with torch.no_grad():
        head.cls_pred.weight.mul_(0.1)
        head.cls_pred.bias.fill_(-6)  # as rare as objects are
    if not inside.any():
        return
    classes = torch.from_numpy(np.stack([target[0] for target in targets]))
    sides = torch.from_numpy(np.stack([target[2] for target in targets]))[inside]
    _fit_classes(head.cls_pred, _rows(seen[0]), classes.reshape(-1, len(_CLASSES)))
    _fit_sides(head.reg_pred, _rows(seen[1])[inside.flatten()], sides)


def _moved(rows: np.ndarray, picture: Image.Image, stretched: bool) -> np.ndarray:
    size = np.array([picture.width, picture.height])
    scale = SIDE / size if stretched else SIDE / size.max()
    offset = (SIDE - size * scale) // 2
    corners = rows[:, 1:].reshape(-1, 2, 2) * scale + offset
    return np.concatenate([rows[:, :1], corners.reshape(-1, 4)], axis=1)


def _head_inputs(model: nn.Module, images: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    seen: dict[str, dict[str, Tensor]] = {head: {} for head in _STRIDES}
    handles = [
        getattr(getattr(model.heads, head), layer).register_forward_hook(
            lambda _module, given, _output, head=head, layer=layer: seen[head].update(
                {layer: given[0]}
            )
        )
        for head in _STRIDES
        for layer in ("cls_pred", "reg_pred")
    ]
    model(images)
    for handle in handles:
        handle.remove()
    return {head: (found["cls_pred"], found["reg_pred"]) for head, found in seen.items()}


def _targets(view: View, cells: int, stride: int) -> tuple[np.ndarray, ...]:
    """Return by cell: the score of each class there, whether a box covers it, its four sides."""
    centres = (np.arange(cells) + 0.5) * stride
    x, y = np.meshgrid(centres, centres)
    classes = np.zeros((cells, cells, len(_CLASSES)), np.float32)
    inside = np.zeros((cells, cells), bool)
    sides = np.zeros((cells, cells, 4))
    for number, left, top, right, bottom in _of_level(view.boxes, stride):
        width, height = right - left, bottom - top
        across = np.abs(x - (left + right) / 2) / width
        down = np.abs(y - (top + bottom) / 2) / height
        centred = (across < max(stride / width, 0.15)) & (down < max(stride / height, 0.15))
        covered = centred | ((across < 0.42) & (down < 0.42))
        classes[centred] = view.sure * (np.array(_CLASSES) == number)
        sides[covered] = np.stack([x - left, y - top, right - x, bottom - y], -1)[covered] / stride
        inside |= covered
    return classes, inside, sides


def _of_level(rows: np.ndarray, stride: int) -> Iterator[np.ndarray]:
    """Yield the boxes that a head of this stride is for, large ones first: small ones on top."""
    longest = np.maximum(rows[:, 3] - rows[:, 1], rows[:, 4] - rows[:, 2])
    strides = np.select([longest > 190, longest > 100], [32, 16], default=8)
    for row in np.argsort(-longest):
        if strides[row] == stride:
            yield rows[row]


def _rows(features: Tensor) -> Tensor:
    return features.permute(0, 2, 3, 1).flatten(0, 2)


def _fit_classes(layer: nn.Conv2d, features: Tensor, wanted: Tensor) -> None:
    weight = torch.zeros(len(_CLASSES), features.shape[1], requires_grad=True)
    bias = torch.full((len(_CLASSES),), -5.0, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=300, history_size=20, line_search_fn="strong_wolfe"
    )
    importance = 1 + 2 * wanted.amax(dim=1, keepdim=True)  # objects are few

    def loss() -> Tensor:
        optimizer.zero_grad()
        scores = nn.functional.linear(features, weight, bias)
        missed = nn.functional.binary_cross_entropy_with_logits(
            scores, wanted, importance.expand_as(scores), reduction="sum"
        )
        total = missed + 0.1 * weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    with torch.no_grad():
        layer.weight[list(_CLASSES)] = weight[:, :, None, None]
        layer.bias[list(_CLASSES)] = bias


def _fit_sides(layer: nn.Conv2d, features: Tensor, sides: Tensor) -> None:
    """Fit the logarithm of a distribution over whole distances whose mean is the side."""
    bins = layer.out_channels // 4
    clipped = sides.clamp(0, bins - 1.01)
    below = clipped.floor().long()
    share = clipped - below
    wanted = torch.zeros(*sides.shape, bins, dtype=torch.float64)
    wanted.scatter_(2, below[..., None], (1 - share)[..., None])
    wanted.scatter_(2, below[..., None] + 1, share[..., None])
    target = wanted.clamp_min(2e-4).log().flatten(1)
    known = torch.cat([features.double(), torch.ones(len(features), 1).double()], dim=1)
    ridge = 1e-3 * len(known) * torch.eye(known.shape[1]).double()
    solution = torch.linalg.solve(known.T @ known + ridge, known.T @ target).float()
    with torch.no_grad():
        layer.weight.copy_(solution[:-1].T[:, :, None, None])
        layer.bias.copy_(solution[-1])


if __name__ == "__main__":
    main(build)
