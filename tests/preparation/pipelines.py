"""Preparations written by hand with the libraries themselves, apart from the package's steps."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageOps

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
UNIT = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Pipeline:
    """What a person's preparation code does, in its own order."""

    shape: str = "crop"  # crop, stretch, letterbox, pad_first, squash, crop_first, corner
    size: int = 224
    share: float = 0.875
    library: str = "pillow"
    kernel: str = "bilinear"
    antialias: bool = False
    align_corners: bool = False
    rounded: str = ""  # "", "nearest", "down": floats made bytes after the resize
    pad: object = 114  # a number, three, or "edge"
    at: str = "center"
    bgr: str = ""  # "", "before" or "after" the normalisation
    divide: float = 255.0
    normal: tuple = IMAGENET
    gain: float = 1.0
    flip: str = ""
    exif: bool = True
    gamma: float = 0.0
    gamma_place: str = "after"
    jpeg: int = 0
    jpeg_place: str = "before"
    layout: str = "NCHW"
    dtype: str = "float32"

    def but(self, **changes: object) -> Pipeline:
        return replace(self, **changes)

    def __call__(self, image: Image.Image) -> np.ndarray:
        image = ImageOps.exif_transpose(image) if self.exif else image
        picture = np.array(image.convert("RGB"))
        picture = FLIPS[self.flip](picture)
        if self.jpeg and self.jpeg_place == "before":
            picture = recompressed(picture, self.jpeg)
        if self.gamma and self.gamma_place == "before":
            picture = curved(picture, self.gamma)
        picture = self.shaped(picture)
        if self.jpeg and self.jpeg_place == "after":
            picture = recompressed(picture, self.jpeg)
        if self.gamma and self.gamma_place == "after":
            picture = curved(picture, self.gamma)
        if self.bgr == "before":
            picture = picture[:, :, ::-1]
        values = picture.astype(np.float32) / np.float32(self.divide)
        mean, std = (np.array(numbers, np.float32) for numbers in self.normal)
        values = (values - mean) / std * np.float32(self.gain)
        if self.bgr == "after":
            values = values[:, :, ::-1]
        return self.laid_out(values).astype(self.dtype)

    def shaped(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape[:2]
        size = self.size
        if self.shape == "stretch":
            return self.resized(picture, (size, size))
        if self.shape == "squash":
            side = math.floor(size / self.share)
            return cropped(self.resized(picture, (side, side)), size)
        if self.shape == "crop":
            side = math.floor(size / self.share)
            ratio = side / min(height, width)
            target = (
                (side, int(side * width / height))
                if height <= width
                else (int(side * height / width), side)
            )
            del ratio
            return cropped(self.resized(picture, target), size)
        if self.shape == "crop_first":
            side = int(min(height, width) * self.share)
            return self.resized(cropped(picture, side), (size, size))
        if self.shape == "corner":
            return self.resized(picture, (size + 32, size + 32))[:size, :size]
        if self.shape == "letterbox":
            ratio = min(size / height, size / width)
            target = (round(height * ratio), round(width * ratio))
            return self.padded(self.resized(picture, target), size)
        side = max(height, width)
        return self.resized(self.padded(picture, side), (size, size))

    def padded(self, picture: np.ndarray, size: int) -> np.ndarray:
        rows, columns = size - picture.shape[0], size - picture.shape[1]
        top, left = (rows // 2, columns // 2) if self.at == "center" else (0, 0)
        if self.at == "bottom-right":
            top, left = rows, columns
        border = ((top, rows - top), (left, columns - left))
        if self.pad == "edge":
            return np.pad(picture, (*border, (0, 0)), mode="edge")
        made = np.empty((size, size, 3), picture.dtype)
        made[:] = self.pad
        made[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        return made

    def resized(self, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        made = getattr(self, f"_{self.library}")(picture, size)
        if self.rounded == "nearest":
            return np.clip(np.rint(made), 0, 255).astype(np.uint8)
        if self.rounded == "down":
            return np.clip(made, 0, 255).astype(np.uint8)
        return made

    def _pillow(self, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        method = getattr(Image.Resampling, self.kernel.upper())
        return np.array(Image.fromarray(picture).resize((size[1], size[0]), method))

    def _opencv(self, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        import cv2

        names = {"bilinear": "LINEAR", "bicubic": "CUBIC", "lanczos": "LANCZOS4"}
        method = getattr(cv2, "INTER_" + names.get(self.kernel, self.kernel.upper()))
        return cv2.resize(picture, (size[1], size[0]), interpolation=method)

    def _torch(self, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        planes = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float()
        options = {"align_corners": self.align_corners, "antialias": self.antialias}
        smooth = self.kernel in ("bilinear", "bicubic")
        made = torch.nn.functional.interpolate(
            planes, size=size, mode=self.kernel, **(options if smooth else {})
        )
        return made[0].permute(1, 2, 0).numpy()

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        batch = values[None]
        if self.layout == "reshaped":
            return np.ascontiguousarray(batch).reshape(1, 3, *values.shape[:2])
        order = ["NHWC".index(axis) for axis in self.layout]
        return np.ascontiguousarray(batch.transpose(order))


FLIPS = {
    "": lambda p: p,
    "flip_left_right": lambda p: p[:, ::-1].copy(),
    "flip_top_bottom": lambda p: p[::-1].copy(),
    "rotate_180": lambda p: p[::-1, ::-1].copy(),
    "rotate_90": lambda p: np.rot90(p).copy(),
    "rotate_270": lambda p: np.rot90(p, 3).copy(),
}


def cropped(picture: np.ndarray, size: int) -> np.ndarray:
    top = round((picture.shape[0] - size) / 2)
    left = round((picture.shape[1] - size) / 2)
    return picture[top : top + size, left : left + size]


def curved(picture: np.ndarray, power: float) -> np.ndarray:
    if picture.dtype == np.uint8:
        table = (255 * (np.arange(256) / 255) ** power + 0.5).astype(np.uint8)
        return table[picture]
    return (255 * (np.clip(picture, 0, None) / 255) ** power).astype(np.float32)


def recompressed(picture: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))
