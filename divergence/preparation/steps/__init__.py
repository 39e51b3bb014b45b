"""The steps of a preparation, one a file; the order is that of the documentation."""

from divergence.preparation.steps.channels import Channels
from divergence.preparation.steps.contract import Step
from divergence.preparation.steps.crop import Crop
from divergence.preparation.steps.curve import Curve
from divergence.preparation.steps.decode import Decode
from divergence.preparation.steps.dtype import DType
from divergence.preparation.steps.gamma import Gamma
from divergence.preparation.steps.jpeg import Jpeg
from divergence.preparation.steps.layout import Layout
from divergence.preparation.steps.mix import Mix
from divergence.preparation.steps.normalize import Normalize
from divergence.preparation.steps.pad import Pad
from divergence.preparation.steps.resize import Resize
from divergence.preparation.steps.scale import Scale
from divergence.preparation.steps.turn import Turn

STEPS: tuple[type[Step], ...] = (
    Decode,
    Resize,
    Crop,
    Pad,
    Channels,
    Scale,
    Normalize,
    Layout,
    DType,
    Turn,
    Gamma,
    Curve,
    Mix,
    Jpeg,
)

__all__ = [
    "STEPS",
    "Channels",
    "Crop",
    "Curve",
    "DType",
    "Decode",
    "Gamma",
    "Jpeg",
    "Layout",
    "Mix",
    "Normalize",
    "Pad",
    "Resize",
    "Scale",
    "Step",
    "Turn",
]
