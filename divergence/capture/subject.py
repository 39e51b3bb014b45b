"""What a PyTorch runner runs: one contract for live modules, TorchScript and exported programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.jit import ScriptModule

from divergence.capture.hooks import argument_hooks, module_hooks
from divergence.capture.ops import OpMode

if TYPE_CHECKING:
    from torch import nn

    from divergence.capture.hooks import Scopes


# Control flow that PyTorch compiles also when it is called eagerly.
_COMPILING = frozenset({"cond", "while_loop", "scan", "associative_scan", "flex_attention"})


class Subject(Protocol):
    """A program that PyTorch runs, and how its module calls become known.

    kind, name: what it is and its class. module: holds the weights and the state.
    signature: of `forward`. mode: the dispatch mode that sees its operators. notes: what a
    report should say of it.
    """

    kind: str
    name: str
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

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.name = type(module).__qualname__
        self.signature = signature(module.forward)
        scripted = [n for n, part in module.named_modules() if isinstance(part, ScriptModule)]
        outer = [n for n in scripted if n.rpartition(".")[0] not in scripted]
        self.notes = tuple(f"module calls inside {n} (TorchScript) are unknown" for n in outer)

    @contextmanager
    def follow(self, scopes: Scopes, *, thorough: bool) -> Iterator[Callable[..., Any]]:
        """Hook every module; nothing is compiled, so that what runs can be seen."""
        parts = list(self.module.modules())
        compiled = any(hasattr(part, "_orig_mod") for part in parts)
        # A compiled module warns of hooks for all modules together.
        hooks = argument_hooks if thorough or compiled else module_hooks
        # Dynamo takes two seconds to import: only where it is there or will be needed.
        needed = compiled or "torch._dynamo" in sys.modules or any(map(_branches, parts))
        eager = torch.compiler.set_stance("force_eager") if needed else nullcontext()
        with eager, hooks(self.module, scopes) as run:
            yield run


def _branches(module: nn.Module) -> bool:
    """Return whether a module's code names an operator that compiles its branches."""
    code = getattr(type(module).forward, "__code__", None)
    return code is not None and not _COMPILING.isdisjoint(code.co_names)


def subject_of(model: Any) -> Subject:
    """Return `model` as what it is: live module, TorchScript module or exported program."""
    from torch.export import ExportedProgram

    if isinstance(model, ExportedProgram):
        from divergence.capture.exported import ExportedSubject

        return ExportedSubject(model)
    if isinstance(model, ScriptModule):
        from divergence.capture.script import ScriptSubject

        return ScriptSubject(model)
    # A compiled module runs as the module that it was made from.
    return LiveSubject(getattr(model, "_orig_mod", model))
