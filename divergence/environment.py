"""What computed: versions and the machine."""

from __future__ import annotations

import platform
from typing import Any


def environment() -> dict[str, Any]:
    """Return versions of what computed, and of the machine."""
    from importlib.metadata import PackageNotFoundError, version

    def found(name: str) -> str | None:
        try:
            return version(name)
        except PackageNotFoundError:
            return None

    names = ("onnx-divergence", "torch", "onnx", "onnxruntime", "onnxruntime-extensions", "numpy")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": platform.machine(),
        **{name: found(name) for name in names},
    }
