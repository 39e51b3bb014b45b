"""The float64 reference: every operator runs a second time on float64 shadows of its operands.

The program itself runs as it is, in its own precision, and decides what happens: branches,
loops, comparisons and indices are its own. Each floating tensor has a shadow, the value that
exact arithmetic would have there (float64, about 1e-16 relative). So a model that casts to
float32 inside, a TorchScript archive or an exported program has a float64 run too, and each
of its values is known beside the one that the program made.

A shadow belongs to memory, not to a tensor object: one float64 buffer for each storage, read
through the offset, shape and strides of the tensor in question. Views, aliases and writes in
place then need no care of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from divergence.capture.dataflow import storage_key
from divergence.capture.exact_rules import RULES
from divergence.capture.tensors import convert, tensors

if TYPE_CHECKING:
    from torch import Tensor
    from torch._ops import OpOverload

    from divergence.capture.ops import Op

# Dead shadows are looked for once in so many operators: the search takes a few microseconds.
SWEEP_EVERY = 4


@dataclass(slots=True)
class _Shadow:
    """The float64 values of one storage, real components in a row.

    reference: tells when the storage is gone, and keeps its identity from being reused.
    itemsize: bytes of one real component in the program's storage.
    """

    reference: StorageWeakRef
    values: Tensor
    itemsize: int


class Shadows:
    """Float64 shadows of all floating tensors of one run.

    fallbacks: operators that have no float64 kernel and no rule, with the reason: their
    shadows start again from the program's own values. `lasting` are tensors that outlive
    the run, such as weights.
    """

    def __init__(self, lasting: Iterable[Tensor] = ()) -> None:
        self.fallbacks: dict[str, str] = {}
        self._lasting = {storage_key(tensor) for tensor in lasting}
        self._shadows: dict[int, _Shadow] = {}
        self._passing: list[int] = []
        self._operators = 0

    def of(self, tensor: Tensor) -> Tensor:
        """Return the shadow of `tensor`, a view: same shape and strides, float64 or complex128.

        A tensor not seen before is taken as exact: a weight, an input, a constant.
        """
        flat = self._shadow(tensor).values
        if tensor.is_complex():
            flat = flat.view(torch.complex128)
        view = flat.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
        if tensor.is_conj():
            view = view.conj()
        return torch._neg_view(view) if tensor.is_neg() else view  # noqa: SLF001  no other way

    def reset(self, tensor: Tensor) -> None:
        """Let the shadow of `tensor` be the program's own value from here on."""
        once = tuple(slice(0, 1) if step == 0 else slice(None) for step in tensor.stride())
        self.of(tensor)[once].copy_(tensor.detach()[once])

    def execute(
        self, func: OpOverload, op: Op, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run an operator as it is and on the shadows; return the program's own result."""
        self._operators += 1
        if self._operators % SWEEP_EVERY == 0:
            self._sweep()
        written = op.mutated(args, kwargs)
        if written:
            return self._execute_writing(func, op, args, kwargs, written)
        result = func(*args, **kwargs)
        operands = list(op.operands(args, kwargs))
        known = {storage_key(tensor) for tensor in operands}
        fresh = [t for t in tensors(result) if has_exact(t) and storage_key(t) not in known]
        # A view needs nothing; what is made from nothing or drawn is exact by definition.
        if not fresh or not operands:
            return result
        if op.draws(args, kwargs) and op.name not in RULES:
            if any(map(has_exact, operands)) and not op.name.endswith("_like"):
                self._note(op, "draws random numbers")
            return result
        given = self._given(op, args, kwargs)
        self._adopt(op, result, self._exact(func, op, given, result), known)
        return result

    def _execute_writing(
        self,
        func: OpOverload,
        op: Op,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        written: list[Tensor],
    ) -> Any:
        # Tensors without a shadow are shared: the operator must not write to them twice.
        twice = all(map(has_exact, written)) and not op.draws(args, kwargs)
        given = self._given(op, args, kwargs) if twice else None
        known = {storage_key(tensor) for tensor in op.operands(args, kwargs)}
        result = func(*args, **kwargs)
        exact = self._exact(func, op, given, result)
        if exact is not None:
            self._adopt(op, result, exact, known)
            written = [tensor for tensor in written if self._resized(tensor)]
        for tensor in written:
            self._forget(tensor)
        return result

    def _exact(self, func: OpOverload, op: Op, given: dict[str, Any] | None, result: Any) -> Any:
        """Return what the operator gives in float64, or None where it cannot."""
        if given is None:
            return None
        rule = RULES.get(op.name)
        # Integers divided, for one, give what the default is.
        default = torch.get_default_dtype()
        whole = not any(map(has_exact, tensors(given)))
        try:
            if whole:
                torch.set_default_dtype(torch.float64)
            exact = rule(given, result) if rule else None
            return func(**given) if exact is None else exact
        except _NO_KERNEL as error:
            self._note(op, str(error).strip().splitlines()[0])
            return None
        finally:
            if whole:
                torch.set_default_dtype(default)

    def _adopt(self, op: Op, result: Any, exact: Any, known: set[int | None]) -> None:
        """Make the float64 results the shadows of the program's new tensors."""
        if exact is None:
            return
        shadows = (self._shadows.get(key or 0) for key in known)
        held = {storage_key(shadow.values) for shadow in shadows if shadow}
        new: set[int | None] = set()
        for own, other in zip(tensors(result), tensors(exact), strict=False):
            key = storage_key(own)
            if key in known or not has_exact(own):
                continue
            if own.shape != other.shape or other.dtype not in _EXACT:
                self._note(op, f"gives {other.dtype} {tuple(other.shape)} in float64")
            elif key in new or storage_key(other) in held or not _same_layout(own, other):
                self.of(own).copy_(other)
            else:
                values = torch.view_as_real(other) if other.is_complex() else other
                self._keep(own, _flat(values, torch.float64))
            new.add(key)

    def _given(
        self, op: Op, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Return the arguments by name: tensors as shadows, floating dtypes as float64."""
        try:
            return {
                name: convert(value, self._promote)
                for name, value in op.arguments(args, kwargs).items()
            }
        except _NO_KERNEL as error:
            self._note(op, str(error).strip().splitlines()[0])
            return None

    def _promote(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return self.of(value) if has_exact(value) else value
        if isinstance(value, torch.dtype):
            return _promoted(value)
        return value

    def _shadow(self, tensor: Tensor) -> _Shadow:
        shadow = self._shadows.get(storage_key(tensor) or 0)
        if shadow is None or shadow.itemsize != _itemsize(tensor):
            flat = _flat(tensor, tensor.dtype.to_real())
            shadow = self._keep(tensor, flat.to(torch.float64, copy=True))
        return shadow

    def _keep(self, tensor: Tensor, values: Tensor) -> _Shadow:
        storage = tensor.untyped_storage()
        reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
        shadow = _Shadow(reference, values, _itemsize(tensor))
        key = storage_key(tensor)
        if key is None:
            raise NotImplementedError(f"{tensor.layout} tensors have no float64 shadow")
        self._shadows[key] = shadow
        if key not in self._lasting:
            self._passing.append(key)
        return shadow

    def _resized(self, tensor: Tensor) -> bool:
        shadow = self._shadow(tensor)
        return shadow.values.numel() * shadow.itemsize != tensor.untyped_storage().nbytes()

    def _forget(self, tensor: Tensor) -> None:
        """Start the shadow again from what the program wrote."""
        if not has_exact(tensor) or self._resized(tensor):
            self._shadows.pop(storage_key(tensor) or 0, None)
        else:
            self.reset(tensor)

    def _sweep(self) -> None:
        alive = []
        for key in self._passing:
            shadow = self._shadows.get(key)
            if shadow is not None and _gone(shadow.reference):
                del self._shadows[key]
            elif shadow is not None:
                alive.append(key)
        self._passing = list(dict.fromkeys(alive))

    def _note(self, op: Op, reason: str) -> None:
        self.fallbacks.setdefault(op.name, reason)


_NO_KERNEL = (RuntimeError, NotImplementedError, TypeError, ValueError, IndexError)
_EXACT = frozenset({torch.float64, torch.complex128})


def _gone(reference: StorageWeakRef) -> bool:
    return bool(reference.expired())  # type: ignore[no-untyped-call]


def has_exact(tensor: Tensor) -> bool:
    """Return whether a tensor can have a shadow: floating, in plain memory of its own.

    Sparse and nested tensors, and those that `vmap` batches, have none.
    """
    floating = tensor.is_floating_point() or tensor.is_complex()
    return floating and not tensor.is_nested and storage_key(tensor) is not None


def _promoted(dtype: torch.dtype) -> torch.dtype:
    if dtype.is_complex:
        return torch.complex128
    return torch.float64 if dtype.is_floating_point else dtype


def _itemsize(tensor: Tensor) -> int:
    return tensor.dtype.to_real().itemsize


def _flat(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the whole storage of `tensor` as one row."""
    row = torch.empty(0, dtype=dtype, device=tensor.device)
    return row.set_(tensor.untyped_storage())


def _same_layout(own: Tensor, other: Tensor) -> bool:
    """Return whether the float64 result lies in its storage as the program's in its own."""
    return bool(
        own.stride() == other.stride()
        and own.storage_offset() == other.storage_offset()
        and own.untyped_storage().nbytes() // own.element_size()
        == other.untyped_storage().nbytes() // other.element_size()
        and not (other.is_conj() or other.is_neg() or own.is_conj() or own.is_neg())
    )
