"""Each run starts from the same state and leaves none behind."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from divergence.capture.dataflow import storage_key

if TYPE_CHECKING:
    from torch import Tensor, nn

# Objects that a model's attributes lead to; beyond these nothing is followed.
MOST_OBJECTS = 20_000

_OPAQUE = (
    type, FunctionType, MethodType, BuiltinFunctionType, ModuleType, str, bytes, int, float,
    complex, bool, torch.dtype, torch.device, torch.Size, np.ndarray, torch.Generator,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RandomState:
    """The states of every random generator that a model may draw from."""

    torch: Tensor
    cuda: tuple[Tensor, ...]
    numpy: dict[str, Any]
    python: tuple[Any, ...]

    @classmethod
    def now(cls) -> RandomState:
        """Return the states as they are."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ()
        numpy = np.random.get_state(legacy=False)  # noqa: NPY002  the generator models use
        assert isinstance(numpy, dict)
        return cls(torch.get_rng_state(), tuple(cuda), numpy, random.getstate())

    def restore(self) -> None:
        """Set all generators to these states."""
        torch.set_rng_state(self.torch)
        if self.cuda:
            torch.cuda.set_rng_state_all(list(self.cuda))
        np.random.set_state(self.numpy)  # noqa: NPY002  the generator models use
        random.setstate(self.python)


class Originals:
    """Keeps the values of tensors that a run is about to change, from the first change on.

    Nothing is copied for a model that changes nothing.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._guarded = {storage_key(t): t for t in tensors}
        self._kept: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}
        self._versions = [(t, t._version) for t in self._guarded.values()]  # noqa: SLF001

    def keep(self, written: list[Tensor]) -> None:
        """Keep what these tensors hold, where they belong to the model."""
        for tensor in written:
            key = storage_key(tensor)
            if key is None or key not in self._guarded or key in self._kept:
                continue
            storage = tensor.untyped_storage()
            self._kept[key] = (storage, storage.clone())  # type: ignore[no-untyped-call]

    def restore(self) -> list[str]:
        """Put all values back; return what changed without being seen."""
        for storage, original in self._kept.values():
            storage.copy_(original, non_blocking=False)
        unseen = [
            t for t, version in self._versions
            if t._version != version and storage_key(t) not in self._kept  # noqa: SLF001
        ]  # fmt: skip
        return [f"a tensor of shape {tuple(t.shape)} changed out of sight" for t in unseen]


class Attributes:
    """What modules keep between calls: attributes, buffers and containers, by reference."""

    def __init__(self, model: nn.Module) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.complete = True
        self._saved: list[tuple[Any, Any]] = []
        self._seen: set[int] = set()
        self._walk(vars(model), "")

    def restore(self) -> None:
        """Let every attribute refer to what it did, in the same containers."""
        for container, content in self._saved:
            if isinstance(container, list):
                if not _same_items(container, content):
                    container[:] = content
            elif isinstance(container, dict):
                if not _same_entries(container, content):
                    container.clear()
                    container.update(content)
            elif container != content:
                container.clear()
                container.update(content)

    def _walk(self, root: Any, root_path: str) -> None:
        pending = [(root, root_path)]
        while pending:
            value, path = pending.pop()
            if isinstance(value, torch.Tensor):
                self.tensors.setdefault(path, value)
                continue
            if value is None or isinstance(value, _OPAQUE) or id(value) in self._seen:
                continue
            if len(self._seen) >= MOST_OBJECTS:
                self.complete = False
                return
            self._seen.add(id(value))
            pending.extend(reversed(list(self._open(value, path))))

    def _open(self, value: Any, path: str) -> Iterator[tuple[Any, str]]:
        """Save what a container or an object holds, and yield that with its name."""
        if isinstance(value, dict | list | set):
            self._saved.append((value, value.copy()))
        entries: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            entries = list(value.items())
        elif isinstance(value, list | tuple):
            entries = list(enumerate(value))
        elif hasattr(value, "__dict__") and isinstance(vars(value), dict):
            entries = [("", vars(value))]
        for key, item in entries:
            hidden = key in {"_parameters", "_buffers", "_modules", ""}
            yield item, path if hidden else f"{path}.{key}" if path else str(key)


@contextmanager
def same_state(model: nn.Module, start: RandomState, notes: set[str]) -> Iterator[Originals]:
    """Run from the random state `start`, without gradients; afterwards all is as before.

    Attributes, parameters and buffers of `model` get back what they held, also after an
    exception or an interruption. What could not be put back is added to `notes`.
    """
    attributes = Attributes(model)
    if not attributes.complete:
        notes.add(f"attributes beyond {MOST_OBJECTS} objects are not restored between runs")
    originals = Originals(attributes.tensors.values())
    before = RandomState.now()
    dtype = torch.get_default_dtype()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        start.restore()
        # The fused encoder layer would hide the operators inside.
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.no_grad():
            yield originals
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        torch.set_default_dtype(dtype)
        before.restore()
        attributes.restore()
        notes.update(originals.restore())


def _same_items(now: list[Any], then: list[Any]) -> bool:
    return len(now) == len(then) and all(a is b for a, b in zip(now, then, strict=True))


def _same_entries(now: dict[Any, Any], then: dict[Any, Any]) -> bool:
    same_keys = len(now) == len(then) and all(a == b for a, b in zip(now, then, strict=True))
    return same_keys and all(now[key] is then[key] for key in then)
