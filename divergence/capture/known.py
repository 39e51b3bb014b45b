"""What an ONNX file says of its values, for inputs of given shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import RLock

from divergence.capture.onnx_file import OnnxFile
from divergence.capture.onnx_program import read_program
from divergence.capture.onnx_shapes import ValueType, infer
from divergence.records import Array, Program


@dataclass(frozen=True)
class Known:
    """Types and sites for one set of input shapes (`key`, by name)."""

    key: Mapping[str, tuple[int, ...]]
    types: Mapping[str, ValueType]
    program: Program

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...] | None]:
        """The shapes of the sites."""
        return {site.name: site.shape for site in self.program.sites}

    @cached_property
    def half(self) -> bool:
        """Whether there are values of float16."""
        return any(known.dtype == "float16" for known in self.types.values())


class Knowledge:
    """Reads the file when it is asked, and keeps what it read last."""

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self._lock = RLock()
        self._last: Known | None = None

    def __call__(self, feeds: Mapping[str, Array] | None = None) -> Known:
        """Return what is known for inputs of these shapes, or of those before."""
        key = None if feeds is None else {name: value.shape for name, value in feeds.items()}
        with self._lock:
            if self._last is None or key not in (None, self._last.key):
                types = infer(self._file.model, key)
                self._last = Known(key or {}, types, read_program(self._file, types))
            return self._last
