"""What a file holds, read without running, importing or unpickling anything of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from divergence.errors import DivergenceError, LoadError
from divergence.load.inspect import (
    arrays,
    checkpoint,
    exported,
    image,
    onnx,
    safetensors,
    torchscript,
)
from divergence.load.kinds import CHECKPOINTS, Kind, kind_of

_BY_KIND: Mapping[Kind, Callable[[Path, Kind], dict[str, Any]]] = {
    Kind.ONNX: onnx.describe,
    Kind.TORCHSCRIPT: torchscript.describe,
    Kind.EXPORTED: exported.describe,
    **dict.fromkeys(CHECKPOINTS, checkpoint.describe),
    Kind.SAFETENSORS: safetensors.describe,
    Kind.NPY: arrays.describe,
    Kind.NPZ: arrays.describe,
    Kind.IMAGE: image.describe,
}


def inspect_file(path: str | Path) -> dict[str, Any]:
    """Return what a file holds: its kind and size in bytes, and what its format tells.

    Weights are not read: a file of many gigabytes answers as fast as its table of contents.

    Raises:
        LoadError: no such file, empty, truncated or damaged.
    """
    file = Path(path).expanduser()
    kind = kind_of(file)
    told = {"file": str(file), "kind": kind.value, "size": file.stat().st_size}
    describe = _BY_KIND.get(kind)
    if describe is None:
        return told
    try:
        return told | describe(file, kind)
    except DivergenceError:
        raise
    except Exception as error:  # whatever a parser says of bytes that are not what they claim
        raise LoadError(
            f"'{file}' is damaged: it cannot be read as {kind} ({type(error).__name__})."
        ) from error
