"""The photographs that preparations are tried on, opened.

Thresholds and search orders were looked at with bus, chelsea and astronaut; what is measured is
measured on others.
"""

from __future__ import annotations

from PIL import Image

from sample_models import photographs

MEASURED_ON = ("coffee", "rocket", "motorcycle_left", "grace_hopper", "zidane")


def photograph(name: str) -> Image.Image:
    image = Image.open(photographs.photograph(name))
    image.load()
    return image
