"""Find where a PyTorch model and its ONNX export stop agreeing, say why, and prove it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from divergence.trace import trace

if TYPE_CHECKING:
    from divergence.batch.many import trace_many
    from divergence.postprocess.explain import explain_outputs
    from divergence.preparation.explain import explain_inputs
    from divergence.report import Report

__all__ = ["Report", "explain_inputs", "explain_outputs", "trace", "trace_many"]

# Where each name lives that would load numpy or more: imported when it is asked for.
_LAZY = {
    "Report": "divergence.report",
    "explain_inputs": "divergence.preparation.explain",
    "explain_outputs": "divergence.postprocess.explain",
    "trace_many": "divergence.batch.many",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'divergence' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
