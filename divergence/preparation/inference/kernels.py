"""The bank of kernels: every library, kernel, antialiasing and rounding that is tried."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from divergence.preparation.resampling import LIBRARIES
from divergence.preparation.steps import DType, Resize, Step


@dataclass(frozen=True, slots=True)
class Kernel:
    """One way to resize. rounding: of the result, "bytes" where bytes are resized to bytes.

    "none": resized as floats. "nearest", "down": resized as floats, then made bytes.
    """

    kernel: str
    library: str
    antialias: bool
    align_corners: bool = False
    rounding: str = "bytes"

    def apply(self, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """Return the steps with this kernel in every resize, and the rounding around them."""
        resizes = [index for index, step in enumerate(steps) if isinstance(step, Resize)]
        if not resizes:
            return steps
        made = [self._put(step) if isinstance(step, Resize) else step for step in steps]
        if self.rounding == "bytes":
            return tuple(made)
        if self.rounding != "none":
            made.insert(resizes[-1] + 1, DType("uint8", self.rounding))
        made.insert(resizes[0], DType("float32"))
        return tuple(made)

    def _put(self, resize: Resize) -> Resize:
        return replace(
            resize,
            kernel=self.kernel,
            library=self.library,
            antialias=self.antialias,
            align_corners=self.align_corners,
        )


@cache
def bank() -> tuple[Kernel, ...]:
    """Return every kernel that the installed libraries have, the likelier ones first."""
    return tuple(sorted(_every(), key=_rank))


def sketch() -> tuple[Kernel, ...]:
    """Return the kernels that geometries are compared with.

    With and without antialiasing, and the one that takes pixels from half a pixel up and left.
    """
    return (
        Kernel("bilinear", "pillow", antialias=True),
        Kernel("bilinear", "torch", antialias=False, rounding="none"),
        Kernel("nearest", "torch", antialias=False),
    )


def _every() -> Iterator[Kernel]:
    for library, module in LIBRARIES.items():
        if library == "opencv" and importlib.util.find_spec("cv2") is None:
            continue
        for kernel, options in module.ANTIALIAS.items():
            # Where both do the same (nearest) the default stands for both.
            smooth = kernel in ("bilinear", "bicubic")
            for antialias in options if smooth else options[:1]:
                yield from _roundings(Kernel(kernel, library, antialias))
            if library == "torch" and smooth:
                yield from _roundings(Kernel(kernel, library, antialias=False, align_corners=True))


def _roundings(kernel: Kernel) -> Iterator[Kernel]:
    yield kernel
    if kernel.kernel != "nearest":
        yield from (replace(kernel, rounding=way) for way in ("none", "nearest", "down"))


# What people use, most often first: bytes with Pillow or OpenCV, floats with PyTorch.
_LIBRARIES = ("pillow", "opencv", "torch")
_KERNELS = ("bilinear", "bicubic", "area", "lanczos", "nearest", "box")


def _rank(kernel: Kernel) -> tuple[int, int, int, int]:
    usual = "none" if kernel.library == "torch" else "bytes"
    odd = 0 if kernel.rounding == usual or kernel.kernel == "nearest" else 1
    rounding = ("bytes", "none", "nearest", "down").index(kernel.rounding)
    return (
        odd + kernel.align_corners,
        _LIBRARIES.index(kernel.library),
        _KERNELS.index(kernel.kernel),
        rounding,
    )


def kernel_of(steps: tuple[Step, ...]) -> Kernel | None:
    """Return the kernel that the steps resize with, None where they do not resize."""
    resize = next((step for step in steps if isinstance(step, Resize)), None)
    if resize is None:
        return None
    place = steps.index(resize)
    floats = any(isinstance(s, DType) and s.name == "float32" for s in steps[:place])
    rounded = [s.rounding for s in steps[place:] if isinstance(s, DType) and s.name == "uint8"]
    rounding = (rounded[0] if rounded else "none") if floats else "bytes"
    return Kernel(resize.kernel, resize.library, resize.antialias, resize.align_corners, rounding)
