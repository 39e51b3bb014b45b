"""Module calls: forward hooks that keep a stack of which call is running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

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


class Callee(Protocol):
    """What is known of a module that is called."""

    @property
    def kind(self) -> str:
        """Its class name."""

    @property
    def leaf(self) -> bool:
        """Whether it has no children, so that its last op is its own work."""

    def settings(self) -> dict[str, Any]:
        """Return its own attributes that are plain values."""


class LiveModule:
    """What an `nn.Module` says of itself."""

    __slots__ = ("_module",)

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    @property
    def kind(self) -> str:
        """The class name."""
        return type(self._module).__name__

    @property
    def leaf(self) -> bool:
        """Whether the module has no children."""
        return next(self._module.children(), None) is None

    def settings(self) -> dict[str, Any]:
        """Return the attributes that are plain values."""
        return plain_attributes(vars(self._module))


class Frame:
    """One call of a module.

    label: as in site names, `conv#1` for the second call. scope: the qualified name.
    """

    __slots__ = ("_counts", "callee", "label", "scope")

    def __init__(self, scope: str, call: int, callee: Callee) -> None:
        self.scope = scope
        self.label = (scope or ROOT) + (f"#{call}" if call else "")
        self.callee = callee
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> int:
        """Return how many operators of this name ran here before, and count this one."""
        number = self._counts.get(name, 0)
        self._counts[name] = number + 1
        return number


class Scopes:
    """The stack of module calls that are running, and how often each module was called.

    top: the innermost module call. paused: a listener is at work; its operators are not the
    model's.
    """

    def __init__(self, listener: Listener) -> None:
        self.top: Frame | None = None
        self.paused = False
        self._listener = listener
        self._outer: list[Frame | None] = []
        self._calls: dict[str, int] = {}
        self._failed: Frame | None = None

    @property
    def failed_in(self) -> str:
        """The label of the innermost module call that an exception came out of."""
        frame = self._failed or self.top
        return frame.label if frame else ""

    def enter(self, scope: str, callee: Callee, arguments: Any) -> None:
        """Begin a module call inside the innermost one."""
        self._failed = None
        self._outer.append(self.top)
        self.top = self.open(scope, callee, arguments)

    def leave(self, output: Any) -> None:
        """End the innermost module call; None where it failed."""
        frame = self.top
        self.top = self._outer.pop()
        if output is None:
            self._failed = self._failed or frame
        elif frame is not None:
            self.close(frame, output)

    def open(self, scope: str, callee: Callee, arguments: Any) -> Frame:
        """Count a module call and tell of it, wherever it stands in the stack."""
        call = self._calls.get(scope, 0)
        self._calls[scope] = call + 1
        frame = Frame(scope, call, callee)
        self.paused = True
        self._listener.enter(frame, arguments)
        self.paused = False
        return frame

    def close(self, frame: Frame, output: Any) -> None:
        """Tell that a module call ended."""
        self.paused = True
        self._listener.leave(frame, output)
        self.paused = False


@contextmanager
def module_hooks(model: nn.Module, scopes: Scopes) -> Iterator[nn.Module]:
    """Follow the calls of `model` and of every module in it; the hooks go in any case.

    Two hooks for all modules together, since one pair for each costs a tenth of a forward. A
    module with hooks of its own gets its own pair, the first before them and the last after
    them, so that what they change is seen as changed. TorchScript modules refuse hooks: their
    operators count as those of the module around them.
    """
    known = {m: name for name, m in model.named_modules() if not isinstance(m, ScriptModule)}

    def before(module: nn.Module, arguments: Any) -> None:
        if module in known:
            scopes.enter(known[module], LiveModule(module), arguments)

    def after(module: nn.Module, _arguments: Any, output: Any) -> None:
        if module in known:
            scopes.leave(output)

    hooked = [m for m in known if m._forward_hooks or m._forward_pre_hooks]  # noqa: SLF001
    handles = [hook for m in hooked for hook in _own_pair(m, known.pop(m), scopes)]
    handles.append(register_module_forward_pre_hook(before))
    handles.append(register_module_forward_hook(after, always_call=True))
    try:
        yield model
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def argument_hooks(model: nn.Module, scopes: Scopes) -> Iterator[nn.Module]:
    """Follow the calls as `module_hooks` does, and see keyword arguments too."""
    known = [(m, n) for n, m in model.named_modules() if not isinstance(m, ScriptModule)]
    handles = [hook for module, name in known for hook in _own_pair(module, name, scopes)]
    try:
        yield model
    finally:
        for handle in handles:
            handle.remove()


def _own_pair(module: nn.Module, name: str, scopes: Scopes) -> tuple[RemovableHandle, ...]:
    def before(_module: nn.Module, args: Any, kwargs: Any) -> None:
        scopes.enter(name, LiveModule(module), (args, kwargs))

    def after(_module: nn.Module, _arguments: Any, output: Any) -> None:
        scopes.leave(output)

    return (
        module.register_forward_pre_hook(before, prepend=True, with_kwargs=True),
        module.register_forward_hook(after, always_call=True),
    )


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a module's own settings: numbers, booleans, strings and tuples of these.

    >>> from torch.nn import LeakyReLU
    >>> plain_attributes(vars(LeakyReLU(0.2)))
    {'training': True, 'negative_slope': 0.2, 'inplace': False}
    """
    return {
        name: value
        for name, value in attributes.items()
        if not name.startswith("_") and _is_plain(value)
    }


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return len(value) <= 16 and all(_is_plain(item) for item in value)
    return type(value) in {bool, int, float, str}
