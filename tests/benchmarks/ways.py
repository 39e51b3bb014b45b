"""What is compared: the floor, this project, and the tools that do the nearest thing."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch

from tests.benchmarks.cases import Case


def floor(case: Case) -> str:
    """Run both models once and compare nothing: what any tool has to spend."""
    import onnxruntime

    with torch.no_grad():
        case.model(**case.inputs)
    session = onnxruntime.InferenceSession(case.onnx, providers=["CPUExecutionProvider"])
    session.run(None, {name: tensor.numpy() for name, tensor in case.inputs.items()})
    return ""


def free_run(case: Case) -> str:
    """Trace with all metrics, without float64 reference and diagnosis."""
    import divergence

    report = divergence.trace(case.model, case.onnx, case.inputs, floor=False, diagnose=False)
    return f"{len(report.pairs)} pairs"


def full(case: Case) -> str:
    """Trace with everything: floor, introduced errors, causes, proofs."""
    import divergence

    report = divergence.trace(case.model, case.onnx, case.inputs)
    return f"{len(report.pairs)} pairs, {report.verdict.status}"


def onnx_diagnostic(case: Case) -> str:
    """Run onnx-diagnostic's aligned comparison on the program and the file, exported before."""
    from onnx_diagnostic.reference import OnnxruntimeEvaluator
    from onnx_diagnostic.torch_onnx.sbs import run_aligned

    records = run_aligned(
        torch.export.load(case.exported),
        onnx.load(case.onnx),
        OnnxruntimeEvaluator,
        kwargs=case.inputs,
        use_tensor=False,
    )
    return f"{sum(1 for record in records if record.err_abs is not None)} pairs"


def polygraphy(case: Case) -> str:
    """Run Polygraphy's comparison of ONNX Runtime with itself, all values marked as outputs."""
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "inputs.json"
        _polygraphy_inputs(case, feed)
        command = [
            *(str(Path(sys.executable).with_name("polygraphy")), "run", str(case.onnx)),
            *("--onnxrt", "--onnxrt", "--onnx-outputs", "*", "--load-inputs", str(feed)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().splitlines()[-1][-40:]


def verify(case: Case) -> str:
    """Run PyTorch's own verification of all intermediate values."""
    from torch.onnx.verification import verify_onnx_program

    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        infos = verify_onnx_program(case.program, kwargs=case.inputs, compare_intermediates=True)
    return f"{len(infos)} pairs"


def _polygraphy_inputs(case: Case, path: Path) -> None:
    from polygraphy.json import save_json

    save_json([{name: np.asarray(tensor) for name, tensor in case.inputs.items()}], str(path))


OURS: dict[str, Callable[[Case], str]] = {"floor": floor, "free run": free_run, "full": full}
PEERS: dict[str, Callable[[Case], str]] = {
    "onnx-diagnostic": onnx_diagnostic,
    "polygraphy": polygraphy,
}
SLOW_PEERS: dict[str, Callable[[Case], str]] = {"verify_onnx_program": verify}
