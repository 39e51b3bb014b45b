"""Photographs that ship inside installed packages: nothing is downloaded.

Those that thresholds and search orders were looked at with are kept apart from those that are
only measured.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

TUNED_ON = (
    ("ultralytics", "assets/bus.jpg"),
    ("skimage", "data/chelsea.png"),
    ("skimage", "data/astronaut.png"),
)
MEASURED_ON = (
    ("skimage", "data/coffee.png"),
    ("skimage", "data/rocket.jpg"),
    ("skimage", "data/motorcycle_left.png"),
    ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ("ultralytics", "assets/zidane.jpg"),
)


def path(package: str, name: str) -> Path:
    """Return where a photograph lies, without importing the package."""
    spec = find_spec(package)
    assert spec is not None, f"{package} is not installed"
    assert spec.origin is not None
    return Path(spec.origin).parent / name


def photograph(package: str, name: str) -> Image.Image:
    image = Image.open(path(package, name))
    image.load()
    return image
