"""Each run starts from the same state and leaves none behind."""

from __future__ import annotations

import operator
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.jit import ScriptModule

from divergence.capture.dataflow import storage_key
from divergence.capture.script import attribute_names

if TYPE_CHECKING:
    from torch import Tensor

# Objects that a model's attributes lead to; beyond these nothing is followed.
MOST_OBJECTS = 20_000

_SIMPLE = frozenset({str, bytes, int, float, complex, bool, type(None), torch.Size, torch.dtype})
_OPAQUE = (
    type, FunctionType, MethodType, BuiltinFunctionType, ModuleType, str, bytes, int, float,
    torch.dtype, torch.device, np.ndarray, torch.Generator, nn.Module,
)  # fmt: skip

# What every module has: hooks, and the dicts saved by name.
_MODULE_INTERNALS = frozenset(vars(nn.Module()))
# A forward may add hooks and note that it did (transformers collects hidden states that way):
# put back alone, the note would have the next run add them again.
_FORWARD_HOOKS = tuple(name for name in vars(nn.Module()) if name.startswith("_forward_"))
_EMPTY: dict[str, Any] = {}


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
        cuda = torch.cuda.get_rng_state_all() if _cuda_in_use() else ()
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
        self._versions = [(t, t._version) for t in tensors]  # noqa: SLF001
        self._kept: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def keep(self, written: list[Tensor]) -> None:
        """Keep what these tensors hold, where they belong to the model."""
        for tensor in written:
            key = storage_key(tensor)
            if key not in self._guarded or key in self._kept:
                continue
            storage = tensor.untyped_storage()
            self._kept[key] = (storage, storage.clone())  # type: ignore[no-untyped-call]

    @cached_property
    def _guarded(self) -> set[int]:
        keys = (storage_key(tensor) for tensor, _ in self._versions)
        return {key for key in keys if key is not None}

    def restore(self) -> list[str]:
        """Put all values back; return what changed without being seen."""
        for storage, original in self._kept.values():
            storage.copy_(original, non_blocking=False)
        unseen = [
            t for t, version in self._versions
            if t._version != version and storage_key(t) not in self._kept  # noqa: SLF001
        ]  # fmt: skip
        return [f"a tensor of shape {tuple(t.shape)} changed out of sight" for t in unseen]


def _constants(module: ScriptModule) -> Iterator[tuple[str, Tensor]]:
    """Yield the arrays that stand in a module's graph: freezing leaves its parameters there."""
    if not module._c._has_method("forward"):  # noqa: SLF001  containers have none
        return
    for node in module.graph.findAllNodes("prim::Constant"):  # type: ignore[attr-defined]
        if node.hasAttribute("value") and node.kindOf("value") == "t":
            tensor = node.t("value")
            if tensor.is_floating_point() and tensor.ndim:
                yield node.output().debugName().removeprefix("self."), tensor


class Attributes:
    """What modules keep between calls: attributes, buffers and containers, by reference.

    tensors: all that the model holds, by qualified name.
    complete: False where the model leads to more than `MOST_OBJECTS` objects.
    """

    def __init__(self, model: nn.Module) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._saved: list[tuple[Any, Any]] = []
        self._scripted: list[tuple[Any, str, Any]] = []
        self._pending: list[tuple[str, Any]] = []
        self._seen: dict[int, Any] = {}
        for name, module in model.named_modules():
            if isinstance(module, ScriptModule):
                self._open_script(name, module)
            else:
                self._open_module(name, module)
        self._walk()
        self.complete = not self._pending

    def restore(self) -> None:
        """Let every attribute refer to what it did, in the same containers."""
        for module, name, value in self._scripted:
            module.setattr(name, value)
        for container, content in self._saved:
            if not container and not content:
                continue
            if isinstance(container, list):
                container[:] = content
            elif isinstance(container, set) or not _same_entries(container, content):
                container.clear()
                container.update(content)

    def _open_module(self, name: str, module: nn.Module) -> None:
        own = vars(module)
        prefix = f"{name}." if name else ""
        self._saved.append((own, own.copy()))
        for held in ("_parameters", "_buffers", "_modules", *_FORWARD_HOOKS):
            container = own[held]
            self._saved.append((container, container.copy() if container else _EMPTY))
        for tensors in (own["_parameters"], own["_buffers"]):
            for key, tensor in tensors.items():
                if tensor is not None:
                    self.tensors[prefix + key] = tensor
        for key in own.keys() - _MODULE_INTERNALS:
            if type(own[key]) not in _SIMPLE:
                self._pending.append((prefix + key, own[key]))

    def _open_script(self, name: str, module: ScriptModule) -> None:
        """Save the attributes that TorchScript code uses; lists and dicts come as copies."""
        own = module._c  # noqa: SLF001  attributes have no public list
        prefix = f"{name}." if name else ""
        held = (module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        self.tensors |= {prefix + key: tensor for pairs in held for key, tensor in pairs}
        self.tensors |= {prefix + key: tensor for key, tensor in _constants(module)}
        for key in attribute_names(module):
            value = own.getattr(key)
            if isinstance(value, torch.Tensor):
                self.tensors[prefix + key] = value
            if not isinstance(value, torch.ScriptObject | torch._C.ScriptModule):  # noqa: SLF001
                self._scripted.append((own, key, value))

    def _walk(self) -> None:
        """Follow what attributes lead to, through containers and plain objects."""
        while self._pending and len(self._seen) < MOST_OBJECTS:
            path, value = self._pending.pop()
            if isinstance(value, torch.Tensor):
                self.tensors.setdefault(path, value)
            elif not isinstance(value, _OPAQUE) and id(value) not in self._seen:
                self._seen[id(value)] = value
                self._pending.extend(self._open(path, value))

    def _open(self, path: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Save what a container or an object holds, and yield that with its name."""
        if isinstance(value, dict | list | set):
            self._saved.append((value, value.copy()))
        entries: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            entries = list(value.items())
        elif isinstance(value, list | tuple):
            entries = list(enumerate(value))
        elif isinstance(getattr(value, "__dict__", None), dict):
            yield path, vars(value)
        for key, item in entries:
            if type(item) not in _SIMPLE:
                yield f"{path}.{key}", item


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


def _cuda_in_use() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _same_entries(now: dict[Any, Any], then: dict[Any, Any]) -> bool:
    same_length = len(now) == len(then)
    return same_length and all(map(operator.is_, now.values(), then.values())) and [*now] == [*then]
