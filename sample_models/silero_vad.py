"""silero-vad as its package ships it: a TorchScript archive, ONNX files, trained weights.

The archive keeps the state and the last 64 samples in attributes and takes 512 samples; the
ONNX files take 64 + 512 samples and the state as an input: each side has arrays of its own.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sample_models.sample import Sample, main, write_inputs

_RATE, _SAMPLES, _CONTEXT = 16_000, 512, 64
# The plain export, one that holds its weights inside an `If`, and the dynamo exporter's.
FILES = {
    "op15": "silero_vad_16k_op15.onnx",
    "if": "silero_vad.onnx",
    "ifless": "silero_vad_op18_ifless.onnx",
}


def build(directory: Path) -> Sample:
    """Write the inputs into `directory`; the models stay in the package."""
    spec = find_spec("silero_vad")
    assert spec is not None
    assert spec.origin is not None
    shipped = Path(spec.origin).parent / "data"
    samples = vowel()
    given = {
        "x": samples,  # the archive's
        "input": torch.cat([torch.zeros(1, _CONTEXT), samples], dim=1),  # the ONNX files'
        "state": torch.zeros(2, 1, 128),
        "sr": torch.tensor(_RATE),  # of both
    }
    return Sample(
        model=shipped / "silero_vad.jit",
        onnx={name: shipped / file for name, file in FILES.items()},
        inputs=write_inputs(directory, given),
    )


def vowel() -> Tensor:
    """Return 512 samples of a voiced sound at 16 kHz, float32 of shape (1, 512) in -1..1."""
    seconds = np.arange(_SAMPLES) / _RATE
    harmonics = np.arange(1, 30)[:, None]
    formants = sum(np.exp(-(((120 * harmonics - centre) / 150) ** 2)) for centre in (700, 1200))
    wave = (np.sin(2 * np.pi * 120 * harmonics * seconds) * (formants + 0.05)).sum(axis=0)
    return torch.from_numpy((0.5 * wave / np.abs(wave).max()).astype(np.float32))[None]


if __name__ == "__main__":
    main(build)
