"""The steps behind a model, one a file; the order is that of the documentation."""

from divergence.postprocess.steps.activation import Argmax, Sigmoid, Softmax
from divergence.postprocess.steps.boxes import Boxes
from divergence.postprocess.steps.clip import Clip
from divergence.postprocess.steps.contract import Step
from divergence.postprocess.steps.layout import Layout
from divergence.postprocess.steps.nms import Nms
from divergence.postprocess.steps.output import Output
from divergence.postprocess.steps.scale_boxes import ScaleBoxes
from divergence.postprocess.steps.top_k import TopK

STEPS: tuple[type[Step], ...] = (
    Output,
    Layout,
    Sigmoid,
    Softmax,
    Argmax,
    TopK,
    Boxes,
    Nms,
    Clip,
    ScaleBoxes,
)

__all__ = ["STEPS", "Step"]
