"""The outputs of both sides with the picture that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from divergence.load.case import Case
from divergence.load.values import BoundInput, Value
from divergence.postprocess.geometry import Placement, placement
from divergence.postprocess.state import Outputs
from divergence.preparation.picture import open_image
from divergence.preparation.spec import Spec
from divergence.records import Array

if TYPE_CHECKING:
    from PIL import Image


def views(
    case: Case, reference: Mapping[str, Array], candidate: Mapping[str, Array]
) -> tuple[Outputs, Outputs]:
    """Return both sides as the trace ran them: the candidate from the reference's input."""
    item = pictured(case)
    ours = _placed(item.reference) if item else None
    own = item is not None and item.own and item.shared is None
    theirs = _placed(item.candidate) if item and own else ours
    size = _size(item)
    return Outputs(reference, size, ours), Outputs(candidate, size, theirs)


def pictured(case: Case) -> BoundInput | None:
    """Return the one input that was prepared from an image; None where none or several were."""
    found = [item for item in case.inputs if item.reference and item.reference.image is not None]
    return found[0] if len(found) == 1 else None


def own_placement(item: BoundInput | None) -> Placement | None:
    """Return where the candidate's own preparation puts the image."""
    return _placed(item.candidate) if item else None


def upright(value: Value) -> Image.Image:
    """Return the image as the preparation sees it: turned as its EXIF orientation says."""
    from PIL import ImageOps

    image = open_image(value.image)
    spec = value.chosen.preparation if value.chosen else None
    return (
        image if isinstance(spec, Spec) and not spec.decode.exif else ImageOps.exif_transpose(image)
    )


def _size(item: BoundInput | None) -> tuple[int, int] | None:
    if item is None or item.reference is None:
        return None
    width, height = upright(item.reference).size
    return height, width


def _placed(value: Value | None) -> Placement | None:
    if value is None or value.image is None or value.chosen is None:
        return None
    width, height = upright(value).size
    spec = value.chosen.preparation
    return placement(spec, height, width) if isinstance(spec, Spec) else None
