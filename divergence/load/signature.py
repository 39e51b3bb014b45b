"""What a model is called with: the parameters of `forward`, whichever kind of model it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from divergence.load.onnx_model import OnnxModel

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_SCALARS: dict[str, type] = {"int": int, "float": float, "bool": bool}
_CONTAINERS = {"dict", "mapping", "list", "tuple", "sequence", "ordereddict", "mutablemapping"}
_WRAPPERS = {"optional", "union", "none", "nonetype", "typing", "torch", "class", "builtins"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of `forward`, or an input of an ONNX graph that serves as the reference.

    scalar: the Python number that it is declared, or that its default is. default: where that
    is a number. container: declared a dict, list or tuple (True), a tensor (False), or not
    declared (None). sequence: the container that a group of values becomes.
    """

    name: str
    required: bool = True
    keyword_only: bool = False
    scalar: type | None = None
    default: Any = None
    container: bool | None = None
    sequence: type = list


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters in order; `args` and `kwargs` name the variadic ones, or are ""."""

    parameters: tuple[Parameter, ...]
    args: str = ""
    kwargs: str = ""

    def __str__(self) -> str:
        """Show it as `(x, sr)`."""
        variadic = [f"*{self.args}"] * bool(self.args) + [f"**{self.kwargs}"] * bool(self.kwargs)
        return f"({', '.join([p.name for p in self.parameters] + variadic)})"


def signature_of(model: Any) -> Signature:
    """Return what `model` takes: a module, a script module, an exported program, an ONNX model."""
    import torch
    from torch.export import ExportedProgram

    if isinstance(model, OnnxModel):
        return Signature(tuple(Parameter(item.name) for item in model.inputs))
    if isinstance(model, ExportedProgram):
        return _of_program(model)
    if isinstance(model, torch.jit.ScriptModule):
        schema: Any = model.forward.schema  # type: ignore[attr-defined]  # untyped in torch
        return _of_schema(schema.arguments[1:])  # without self
    return _of_function(model.forward)


def _of_function(forward: Any) -> Signature:
    kinds = inspect.Parameter
    found = list(inspect.signature(forward).parameters.values())
    named = (p for p in found if p.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD))
    return Signature(
        tuple(
            _parameter(
                p.name,
                _words(p.annotation),
                p.default is kinds.empty,
                None if p.default is kinds.empty else p.default,
                p.kind is kinds.KEYWORD_ONLY,
            )
            for p in named
        ),
        args=next((p.name for p in found if p.kind is kinds.VAR_POSITIONAL), ""),
        kwargs=next((p.name for p in found if p.kind is kinds.VAR_KEYWORD), ""),
    )


def _of_schema(arguments: Iterable[Any]) -> Signature:
    return Signature(
        tuple(
            _parameter(
                a.name,
                _words(str(a.type)),
                not a.has_default_value(),
                a.default_value,
                a.kwarg_only,
            )
            for a in arguments
        )
    )


def _of_program(program: ExportedProgram) -> Signature:
    """An exported program takes exactly what it was exported with."""
    positional, keyword = _children(program.call_spec.in_spec)
    names = program.module_call_graph[0].signature.forward_arg_names
    if names is None:
        names = [*(f"args_{i}" for i in range(positional.num_children)), *keyword.context]
    types = [spec.type for spec in (*_children(positional), *_children(keyword))]
    return Signature(
        tuple(
            Parameter(
                name,
                keyword_only=place >= positional.num_children,
                container=kind is not None,
                sequence=tuple if kind is tuple else list,
            )
            for place, (name, kind) in enumerate(zip(names, types, strict=False))
        )
    )


def _children(spec: Any) -> list[Any]:
    """Return a tree's branches; older versions of torch have them as an attribute."""
    return list(spec.children() if hasattr(spec, "children") else spec.children_specs)


def _parameter(
    name: str, words: set[str], required: bool, default: Any, keyword_only: bool
) -> Parameter:
    number = default if isinstance(default, bool | int | float) else None
    return Parameter(
        name,
        required=required,
        keyword_only=keyword_only,
        scalar=_scalar(words) or (type(number) if number is not None else None),
        default=number,
        container=True if words & _CONTAINERS else False if "tensor" in words else None,
        sequence=tuple if "tuple" in words else list,
    )


def _words(annotation: Any) -> set[str]:
    """Return the names in an annotation, lower case: `Optional[int]` gives {"int"}."""
    if annotation is inspect.Parameter.empty:
        return set()
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if plain else str(annotation)
    return set(re.findall(r"[a-z]+", text.lower())) - _WRAPPERS


def _scalar(words: set[str]) -> type | None:
    (word,) = words if len(words) == 1 else ("",)
    return _SCALARS.get(word)
