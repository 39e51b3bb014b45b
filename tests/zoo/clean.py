"""Right files as they come from exporters and tools: nothing may be found in them."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnxruntime
import torch

from tests.matching.suite import rewrites
from tests.zoo.architectures import Subject
from tests.zoo.planting import strip

VARIANTS: Mapping[str, rewrites.Rewrite] = {
    "exported": rewrites.as_exported,
    "stripped": rewrites.as_exported,
    "slimmed": rewrites.slimmed,
    "stripped slimmed": rewrites.slimmed,
    "optimised": rewrites.optimised("EXTENDED"),
    "float16": rewrites.half,
    "int8": rewrites.quantised,
}


def variant(made: Subject, kind: str) -> onnx.ModelProto | None:
    """Return the subject's file rewritten; None where a tool cannot do it."""
    other = torch.roll(made.inputs, 1, -1)  # a second sample of the same kind to calibrate by
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        onnx.save(made.file, source)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                VARIANTS[kind](source, target, (made.inputs, other))
            model = onnx.load(target)
            onnxruntime.InferenceSession(model.SerializeToString())  # some tools write nonsense
        except Exception as error:  # noqa: BLE001 - a tool's refusal is not what is measured
            print(f"     {made.name} {made.exporter}: no {kind} ({error!s:.80})", flush=True)
            return None
    if "stripped" in kind:
        strip(model)
    return model
