"""What a PyTorch runner runs: one contract for live modules, TorchScript and exported programs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, Protocol

from divergence.capture.hooks import argument_hooks, module_hooks
from divergence.capture.ops import OpMode

if TYPE_CHECKING:
    from torch import nn

    from divergence.capture.hooks import Scopes


class Subject(Protocol):
    """A program that PyTorch runs, and how its module calls become known.

    kind: for the report. module: holds the weights and the state. signature: of `forward`.
    mode: the dispatch mode that sees its operators. notes: what a report should say of it.
    """

    kind: str
    module: nn.Module
    signature: Signature
    mode: type[OpMode]
    notes: tuple[str, ...]

    def follow(
        self, scopes: Scopes, *, thorough: bool
    ) -> AbstractContextManager[Callable[..., Any]]:
        """Give the callable to run; its module calls enter and leave `scopes`.

        thorough: keyword arguments of module calls are seen too.
        """


class LiveSubject:
    """A live `nn.Module`, followed by forward hooks."""

    kind = "torch.nn.Module"
    mode = OpMode
    notes: tuple[str, ...] = ()

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.signature = signature(module.forward)

    def follow(
        self, scopes: Scopes, *, thorough: bool
    ) -> AbstractContextManager[Callable[..., Any]]:
        """Hook every module."""
        hooks = argument_hooks if thorough else module_hooks
        return hooks(self.module, scopes)


def subject_of(model: Any) -> Subject:
    """Return `model` as what it is: live module, TorchScript module or exported program."""
    import torch
    from torch.export import ExportedProgram

    if isinstance(model, ExportedProgram):
        from divergence.capture.exported import ExportedSubject

        return ExportedSubject(model)
    if isinstance(model, torch.jit.ScriptModule):
        from divergence.capture.script import ScriptSubject

        return ScriptSubject(model)
    # A compiled module runs as the module that it was made from.
    return LiveSubject(getattr(model, "_orig_mod", model))
