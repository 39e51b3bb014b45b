"""Module calls: forward hooks that keep a stack of which call is running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.jit import ScriptModule
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from divergence.capture.ops import Listener

ROOT = "<root>"


class Frame:
    """One call of a module.

    label: as in site names, `conv#1` for the second call. scope: the qualified name.
    module: the module itself.
    """

    __slots__ = ("_counts", "label", "module", "scope")

    def __init__(self, scope: str, call: int, module: nn.Module) -> None:
        self.scope = scope
        self.label = (scope or ROOT) + (f"#{call}" if call else "")
        self.module = module
        self._counts: dict[str, int] = {}

    @property
    def leaf(self) -> bool:
        """Whether the module has no children, so that its last op is its own work."""
        return next(self.module.children(), None) is None

    def count(self, name: str) -> int:
        """Return how many operators of this name ran here before, and count this one."""
        number = self._counts.get(name, 0)
        self._counts[name] = number + 1
        return number


class Scopes:
    """The stack of module calls that are running, and how often each module was called.

    paused: a listener is at work; its operators are not the model's.
    failed_in: the innermost module call that an exception came out of.
    """

    def __init__(self, listener: Listener) -> None:
        self.paused = False
        self.failed_in = ""
        self._listener = listener
        self._stack: list[Frame] = []
        self._calls: dict[str, int] = {}

    @property
    def top(self) -> Frame | None:
        """The innermost module call."""
        return self._stack[-1] if self._stack else None

    def enter(self, scope: str, module: nn.Module, arguments: Any) -> None:
        """Begin a module call."""
        self.failed_in = ""
        call = self._calls.get(scope, 0)
        self._calls[scope] = call + 1
        frame = Frame(scope, call, module)
        self._stack.append(frame)
        self.paused = True
        self._listener.enter(frame, arguments)
        self.paused = False

    def leave(self, output: Any) -> None:
        """End the innermost module call; None where it failed."""
        frame = self._stack.pop()
        if output is None:
            self.failed_in = self.failed_in or frame.label
            return
        self.paused = True
        self._listener.leave(frame, output)
        self.paused = False


@contextmanager
def module_hooks(model: nn.Module, scopes: Scopes) -> Iterator[None]:
    """Follow the calls of `model` and of every module in it; the hooks go in any case.

    Two hooks for all modules together, since one pair for each costs a tenth of a forward. A
    module with hooks of its own gets its own pair, the first before them and the last after
    them, so that what they change is seen as changed. TorchScript modules refuse hooks: their
    operators count as those of the module around them.
    """
    known = {m: name for name, m in model.named_modules() if not isinstance(m, ScriptModule)}

    def before(module: nn.Module, arguments: Any) -> None:
        if module in known:
            scopes.enter(known[module], module, arguments)

    def after(module: nn.Module, _arguments: Any, output: Any) -> None:
        if module in known:
            scopes.leave(output)

    hooked = [m for m in known if m._forward_hooks or m._forward_pre_hooks]  # noqa: SLF001
    handles = [hook for m in hooked for hook in _own_pair(m, known.pop(m), scopes)]
    handles.append(register_module_forward_pre_hook(before))
    handles.append(register_module_forward_hook(after, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def argument_hooks(model: nn.Module, scopes: Scopes) -> Iterator[None]:
    """Follow the calls as `module_hooks` does, and see keyword arguments too."""
    known = [(m, n) for n, m in model.named_modules() if not isinstance(m, ScriptModule)]
    handles = [hook for module, name in known for hook in _own_pair(module, name, scopes)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _own_pair(module: nn.Module, name: str, scopes: Scopes) -> tuple[RemovableHandle, ...]:
    def before(_module: nn.Module, args: Any, kwargs: Any) -> None:
        scopes.enter(name, module, (args, kwargs))

    def after(_module: nn.Module, _arguments: Any, output: Any) -> None:
        scopes.leave(output)

    return (
        module.register_forward_pre_hook(before, prepend=True, with_kwargs=True),
        module.register_forward_hook(after, always_call=True),
    )


def plain_attributes(module: nn.Module) -> dict[str, Any]:
    """Return a module's own settings: numbers, booleans, strings and tuples of these.

    >>> from torch.nn import LeakyReLU
    >>> plain_attributes(LeakyReLU(0.2))
    {'training': True, 'negative_slope': 0.2, 'inplace': False}
    """
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 16 and all(_is_plain(item) for item in value)
    return type(value) in {bool, int, float, str}
