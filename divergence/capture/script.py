"""TorchScript modules, which refuse hooks: marks in their graphs say which module is called.

In a copy of the module, each `prim::CallMethod` of a submodule's `forward` gets a mark before
and after it: two operators of our own that do nothing, but that the dispatch mode sees, with
the call's arguments and results. So sites are named as those of the live module are. What
TorchScript no longer knows stays unknown: a module that was called through another method
than `forward` counts to its caller, and a shared module goes by the name it was called by.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, reduce
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import HigherOrderOperator

from divergence.capture.hooks import plain_attributes
from divergence.capture.ops import OpMode

if TYPE_CHECKING:
    from torch import nn
    from torch._ops import OpOverload
    from torch.jit import ScriptModule

    from divergence.capture.hooks import Scopes

NAMESPACE = "divergence"
# Tracing calls the second and third call of a module forward1 and forward2.
_FORWARD = re.compile(r"forward\d*")


class ScriptSubject:
    """A TorchScript module, as a copy with marks; the given one is not touched.

    The copy shares its parameters and buffers.
    """

    kind = "TorchScript"

    def __init__(self, module: ScriptModule) -> None:
        self.mode: type[OpMode] = ScriptMode
        self.name = str(module.original_name)
        self.signature = _signature(module)
        self.module: nn.Module = module
        try:
            self.module = _marked(_copy(module))
            self.notes: tuple[str, ...] = ()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            self.notes = (f"module calls inside this TorchScript module are unknown: {reason}",)

    @contextmanager
    def follow(self, scopes: Scopes, *, thorough: bool) -> Iterator[Callable[..., Any]]:
        """Enter the root by hand; the marks do the rest."""
        del thorough

        def call(*args: Any, **kwargs: Any) -> Any:
            scopes.enter("", ScriptedModule(self.module), (args, kwargs))
            output = self.module(*args, **kwargs)
            scopes.leave(output)
            return output

        # The profiling executor runs parts of the program while it compiles, where the
        # dispatch mode would see them.
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            yield call


class ScriptedModule:
    """What a TorchScript module says of itself."""

    def __init__(self, module: Any) -> None:
        self._module = module

    @property
    def kind(self) -> str:
        """The name of the class that it was compiled from."""
        return str(self._module.original_name)

    @property
    def leaf(self) -> bool:
        """Whether the module has no children."""
        return next(self._module.children(), None) is None

    def settings(self) -> dict[str, Any]:
        """Return the plain attributes that its code reads."""
        own = self._module._c  # noqa: SLF001  attributes have no public list
        values = {name: own.getattr(name) for name in sorted(attribute_names(self._module))}
        return plain_attributes(values)

    def child(self, name: str) -> ScriptedModule:
        """Return a submodule by its name relative to this one."""
        return ScriptedModule(_part(self._module, name))


class ScriptMode(OpMode):  # type: ignore[no-untyped-call]
    """The dispatch mode that reads the marks."""

    def __torch_dispatch__(
        self,
        func: OpOverload | HigherOrderOperator,
        types: tuple[type, ...],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func.namespace != NAMESPACE or isinstance(func, HigherOrderOperator):
            return super().__torch_dispatch__(func, types, args, kwargs)
        frame = self.scopes.top
        if func._opname == "enter" and frame is not None:  # noqa: SLF001
            assert isinstance(frame.callee, ScriptedModule)
            scope = f"{frame.scope}.{args[0]}" if frame.scope else args[0]
            self.scopes.enter(scope, frame.callee.child(args[0]), args[1])
        else:
            self.scopes.leave(args[0])
        return None


def attribute_names(module: ScriptModule) -> frozenset[str]:
    """Return the names of the attributes that the module's own code reads or sets."""
    own = module._c  # noqa: SLF001  attributes have no public list
    names = {
        node.s("name")
        for method in own._method_names()  # noqa: SLF001
        for kind in ("prim::GetAttr", "prim::SetAttr")
        for node in own._get_method(method).graph.findAllNodes(kind)  # noqa: SLF001
    }
    return frozenset(name for name in names if own.hasattr(name))


def _copy(module: ScriptModule) -> ScriptModule:
    """Return the module with graphs and attributes of its own and the same tensors."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        torch.jit.save(module, buffer)
        buffer.seek(0)
        copy: ScriptModule = torch.jit.load(buffer)  # type: ignore[no-untyped-call]
    for name, part in copy.named_modules():
        original = _part(module, name)
        held = [*original.named_parameters(recurse=False), *original.named_buffers(recurse=False)]
        for key, tensor in held:
            part._c.setattr(key, tensor)  # noqa: SLF001  no other way to replace a buffer
    return copy


def _part(module: ScriptModule, name: str) -> ScriptModule:
    """Return a submodule; `get_submodule` is not supported here."""
    part: ScriptModule = reduce(getattr, name.split("."), module) if name else module
    return part


def _marked(module: ScriptModule) -> ScriptModule:
    """Put marks around the calls of submodules, before the module runs for the first time."""
    _define_marks()
    seen: set[tuple[str, str]] = set()
    for part in module.modules():
        own: Any = part._c  # noqa: SLF001  graphs of methods have no public list
        for method in own._method_names():  # noqa: SLF001
            key = (own.qualified_name, method)
            if key not in seen:
                seen.add(key)
                _mark(own._get_method(method).graph)  # noqa: SLF001
    return module


def _mark(graph: Any) -> None:
    for call in list(graph.findAllNodes("prim::CallMethod")):
        callee, *arguments = call.inputs()
        path: list[str] = []
        while callee.node().kind() == "prim::GetAttr":
            path.insert(0, callee.node().s("name"))
            callee = callee.node().inputsAt(0)
        if not path or not _FORWARD.fullmatch(call.s("name")):
            continue
        graph.setInsertPoint(call)
        name = graph.insertConstant(".".join(path))
        given = graph.create("prim::TupleConstruct", arguments, 1)
        given.output().setType(torch._C.TupleType([value.type() for value in arguments]))  # noqa: SLF001
        given.insertBefore(call)
        graph.create(f"{NAMESPACE}::enter", [name, given.output()], 0).insertBefore(call)
        graph.create(f"{NAMESPACE}::leave", [call.output()], 0).insertAfter(call)


@cache
def _define_marks() -> Any:
    """Define the marks; with unknown side effects, so that no pass removes or moves them."""
    library: Any = torch.library.Library(NAMESPACE, "DEF")  # type: ignore[no-untyped-call]
    library.define("enter(str name, Any arguments) -> ()", alias_analysis="CONSERVATIVE")
    library.define("leave(Any output) -> ()", alias_analysis="CONSERVATIVE")
    library.impl("enter", lambda _name, _arguments: None, "CompositeExplicitAutograd")
    library.impl("leave", lambda _output: None, "CompositeExplicitAutograd")
    return library


def _signature(module: ScriptModule) -> Signature:
    schema = module._c._get_method("forward").schema  # noqa: SLF001  no public signature
    return Signature(
        [
            Parameter(
                argument.name,
                Parameter.POSITIONAL_OR_KEYWORD,
                default=argument.default_value if argument.has_default_value() else Parameter.empty,
            )
            for argument in schema.arguments[1:]
        ]
    )
