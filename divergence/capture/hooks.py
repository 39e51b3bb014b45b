"""Module calls: forward hooks that keep a stack of which call is running."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from divergence.capture.tensors import tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from divergence.capture.ops import Listener

ROOT = "<root>"


class Frame:
    """One call of a module.

    label: as in site names, `conv#1` for the second call. scope: the qualified name.
    leaf: the module has no children, so that its last op is the module's own work.
    """

    __slots__ = ("_counts", "attributes", "kind", "label", "leaf", "scope")

    def __init__(
        self, scope: str, call: int, kind: str, leaf: bool, attributes: dict[str, Any]
    ) -> None:
        self.scope = scope
        self.label = (scope or ROOT) + (f"#{call}" if call else "")
        self.kind = kind
        self.leaf = leaf
        self.attributes = attributes
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> int:
        """Return how many operators of this name ran here before, and count this one."""
        number = self._counts.get(name, 0)
        self._counts[name] = number + 1
        return number


class Scopes:
    """The stack of module calls that are running, and how often each module was called."""

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

    def enter(
        self,
        scope: str,
        arguments: list[Tensor],
        *,
        kind: str,
        leaf: bool,
        attributes: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """Begin a module call."""
        self.failed_in = ""
        call = self._calls.get(scope, 0)
        self._calls[scope] = call + 1
        frame = Frame(scope, call, kind, leaf, attributes())
        self._stack.append(frame)
        with self.pause():
            self._listener.enter(frame, arguments)

    def leave(self, outputs: list[Tensor] | None) -> None:
        """End the innermost module call; None where it failed."""
        frame = self._stack.pop()
        if outputs is None:
            self.failed_in = self.failed_in or frame.label
            return
        with self.pause():
            self._listener.leave(frame, outputs)

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Let operators pass unseen: those of hooks and probes are not the model's."""
        self.paused = True
        try:
            yield
        finally:
            self.paused = False


@contextmanager
def module_hooks(model: nn.Module, scopes: Scopes, *, attributes: bool) -> Iterator[None]:
    """Follow the calls of `model` and of every module in it; the hooks go in any case.

    The first hook before all others and the last after them, so that what another hook
    changes is seen as changed. TorchScript modules refuse hooks: their operators count as
    those of the module around them.
    """
    from torch.jit import ScriptModule

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if isinstance(module, ScriptModule):
                continue
            before, after = _pair(name, module, scopes, attributes=attributes)
            hook = module.register_forward_pre_hook(before, prepend=True, with_kwargs=True)
            stack.callback(hook.remove)
            stack.callback(module.register_forward_hook(after, always_call=True).remove)
        yield


def _pair(
    name: str, module: nn.Module, scopes: Scopes, *, attributes: bool
) -> tuple[Callable[..., None], Callable[..., None]]:
    leaf = not any(child is not None for child in module._modules.values())  # noqa: SLF001
    kind = type(module).__name__

    def settings() -> dict[str, Any]:
        return plain_attributes(module) if attributes else {}

    def before(_module: nn.Module, args: Any, kwargs: Any) -> None:
        given = tensors((args, kwargs))
        scopes.enter(name, given, kind=kind, leaf=leaf, attributes=settings)

    def after(_module: nn.Module, _args: Any, output: Any) -> None:
        scopes.leave(None if output is None else tensors(output))

    return before, after


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
