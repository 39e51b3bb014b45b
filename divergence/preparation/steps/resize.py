"""resize: another number of rows and columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from divergence.errors import InputError, SpecError
from divergence.preparation.picture import Picture
from divergence.preparation.resampling import LIBRARIES
from divergence.preparation.steps.contract import MAX_SIDE, Fields

KERNELS = ("nearest", "bilinear", "bicubic", "lanczos", "area", "box")
_TARGETS = ("to", "shortest", "longest", "fit", "cover")


@dataclass(frozen=True, slots=True)
class Resize:
    """The picture at another size.

    One of

    to: exactly (height, width), whatever that does to the proportions.
    shortest: the shorter side gets this length, the longer one keeps the proportions, cut to a
    whole pixel as torchvision does. With at_most: where the longer one would be longer than that,
    it gets that length, and the shorter one is rounded, as DETR does.
    longest: the longer side gets this length, the other is rounded, as ultralytics does.
    fit: the largest size of the same proportions within (height, width), rounded.
    cover: the smallest size of the same proportions that covers (height, width), rounded.

    kernel, antialias, library: antialias defaults to what the library does; where
    `antialias: false` is asked for and no library named, it is torch, since Pillow always
    antialiases. align_corners: torch alone. Bytes are resized to bytes, rounded as the library
    rounds them; after `dtype: float32` or `scale` nothing is rounded.
    """

    word: ClassVar[str] = "resize"
    to: tuple[int, int] | None = None
    shortest: int | None = None
    longest: int | None = None
    fit: tuple[int, int] | None = None
    cover: tuple[int, int] | None = None
    at_most: int | None = None
    kernel: str = "bilinear"
    antialias: bool = True
    library: str = "pillow"
    align_corners: bool = False

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read one target, and `at_most, kernel, antialias, library, align_corners`."""
        keys = (*_TARGETS, "at_most", "kernel", "antialias", "library", "align_corners")
        fields = Fields(cls.word, value, keys)
        target = fields.exactly_one(*_TARGETS)
        one_side = target in ("shortest", "longest")
        goal: Any = fields.side(target) if one_side else fields.size(target)
        bounded = fields.raw("at_most") is not None
        if bounded and target != "shortest":
            raise SpecError(f"'resize.at_most' stands beside shortest, got it beside {target}.")
        kernel = fields.choice("kernel", KERNELS, "bilinear")
        library = _library(fields)
        aligned = fields.flag("align_corners", False)
        if aligned and (library != "torch" or kernel not in ("bilinear", "bicubic")):
            raise SpecError(
                "'resize.align_corners' is for library torch with kernel bilinear or bicubic; "
                f"got {library} with {kernel}."
            )
        return cls(
            **{target: goal},
            at_most=fields.side("at_most") if bounded else None,
            kernel=kernel,
            antialias=_antialias(fields, library, kernel),
            library=library,
            align_corners=aligned,
        )

    def document(self) -> Any:
        """Return the target, `kernel`, `antialias`, `library`, and `align_corners` where set."""
        target = next(key for key in _TARGETS if getattr(self, key) is not None)
        value = getattr(self, target)
        words: dict[str, Any] = {target: list(value) if isinstance(value, tuple) else value}
        words |= {} if self.at_most is None else {"at_most": self.at_most}
        words |= {"kernel": self.kernel, "antialias": self.antialias, "library": self.library}
        if self.align_corners:
            words["align_corners"] = True
        return words

    def apply(self, picture: Picture) -> Picture:
        """Resize; a picture that already has the size is not touched."""
        size = self.size(picture.height, picture.width)
        if size == (picture.height, picture.width):
            return picture
        plain = picture.arranged("HWC")
        values = LIBRARIES[self.library].resample(
            plain.values, size, self.kernel, self.antialias, self.align_corners
        )
        return replace(plain, values=values).arranged(picture.axes)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the new height and width of a picture of this size.

        Raises:
            InputError: a side would be longer than any picture (an extremely long strip).

        >>> Resize(longest=640).size(480, 640), Resize(shortest=256).size(480, 640)
        ((480, 640), (256, 341))
        """
        if self.to is not None:
            return self.to
        if self.shortest is not None:
            short, long = _sides(self.shortest, self.at_most, *sorted((height, width)))
            size = (short, long) if height <= width else (long, short)
        else:
            box = self.fit or self.cover or (self.longest or 1, self.longest or 1)
            choose = max if self.cover else min
            ratio = choose(box[0] / height, box[1] / width)
            size = (max(1, round(height * ratio)), max(1, round(width * ratio)))
        if max(size) > MAX_SIDE:
            raise InputError(
                f"Step 'resize' would make {size[0]} x {size[1]} of {height} x {width}, more than "
                f"{MAX_SIDE} pixels on a side."
            )
        return size


def _sides(shortest: int, at_most: int | None, short: int, long: int) -> tuple[int, int]:
    """Return the new lengths of the shorter and the longer side."""
    other = int(shortest * long / short)
    if at_most is None or shortest * long / short <= at_most:
        return shortest, other
    return max(1, round(at_most * short / long)), at_most


def _library(fields: Fields) -> str:
    default = "torch" if fields.raw("antialias") is False else "pillow"
    return fields.choice("library", tuple(LIBRARIES), default)


def _antialias(fields: Fields, library: str, kernel: str) -> bool:
    offered = LIBRARIES[library].ANTIALIAS
    if kernel not in offered:
        near = {"area": "box", "box": "area"}.get(kernel, "")
        hint = f" Did you mean {near}, its kernel that averages?" if near in offered else ""
        raise SpecError(
            f"Library {library} has no kernel '{kernel}', only {', '.join(offered)}.{hint}"
        )
    allowed = offered[kernel]
    antialias = fields.flag("antialias", allowed[0])
    if antialias not in allowed:
        able = [n for n, lib in LIBRARIES.items() if antialias in lib.ANTIALIAS.get(kernel, ())]
        raise SpecError(
            f"Library {library} cannot do kernel '{kernel}' with antialias: "
            f"{str(antialias).lower()}; {' or '.join(able) or 'no library'} can."
        )
    return antialias
