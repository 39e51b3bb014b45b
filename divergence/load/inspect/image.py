"""An image: format, size and mode from its header."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from divergence.load.kinds import Kind
from divergence.preparation.picture import image_notes, open_image

_ORIENTATION = 0x0112  # EXIF tag


def describe(path: Path, kind: Kind) -> dict[str, Any]:
    """Return what a preparation has to know."""
    del kind
    with open_image(path) as image:
        width, height = image.size
        return {
            "format": image.format,
            "height": height,
            "width": width,
            "mode": image.mode,
            "exif_orientation": image.getexif().get(_ORIENTATION, 1),
            "notes": list(image_notes(image)),
        }
