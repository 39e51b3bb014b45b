"""Real photographs that installed packages ship, so that nothing is downloaded."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

# Colour photographs only, of ordinary scenes: package, then path inside it.
_SHIPPED = (
    ("ultralytics", "assets/bus.jpg"),
    ("ultralytics", "assets/zidane.jpg"),
    ("skimage", "data/astronaut.png"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/coffee.png"),
    ("skimage", "data/rocket.jpg"),
    ("skimage", "data/motorcycle_left.png"),
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
)


def photographs() -> list[Path]:
    """Return the photographs that are there, in a fixed order; at least matplotlib's one."""
    found = (_package_folder(package) / path for package, path in _SHIPPED if find_spec(package))
    return [path for path in found if path.is_file()]


def photograph(name: str) -> Path:
    """Return the photograph of that name without its suffix, such as `bus`.

    Raises:
        FileNotFoundError: no installed package ships it.
    """
    for path in photographs():
        if path.stem == name:
            return path
    packages = [package for package, path in _SHIPPED if Path(path).stem == name]
    raise FileNotFoundError(f"The photograph {name} is shipped by {packages}; install that.")


def write_crops(directory: Path, across: int = 3, share: float = 0.6) -> Path:
    """Write each photograph and square crops of it, `across` each way, as PNG; return the folder.

    share: of the shorter side, that a crop is long. Crops of one photograph overlap.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for path in photographs():
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        picture.save(directory / f"{path.stem}.png")
        side = round(min(picture.size) * share)
        for row, column in product(range(across), repeat=2):
            left, top = (
                round((length - side) * place / (across - 1))
                for length, place in zip(picture.size, (column, row), strict=True)
            )
            crop = picture.crop((left, top, left + side, top + side))
            crop.save(directory / f"{path.stem}-{row}{column}.png")
    return directory


def batch(
    side: int | tuple[int, int],
    mean: tuple[float, ...] = (0.0, 0.0, 0.0),
    std: tuple[float, ...] = (1.0, 1.0, 1.0),
    count: int = 4,
) -> Tensor:
    """Return `count` photographs as float32 of shape (count, 3, height, width).

    Each is scaled until it covers `side` (or height and width), cropped at the centre, and
    normalised from 0..1 by `mean` and `std`.
    """
    height, width = (side, side) if isinstance(side, int) else side
    pixels = [_covering(path, height, width) for path in photographs()[:count]]
    scaled = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    shape = (1, 3, 1, 1)
    return ((scaled - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)).contiguous()


def _package_folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _covering(path: Path, height: int, width: int) -> np.ndarray:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    scale = max(height / picture.height, width / picture.width)
    size = (max(width, round(picture.width * scale)), max(height, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.asarray(picture.crop((left, top, left + width, top + height)))
