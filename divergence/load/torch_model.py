"""MODEL on the PyTorch side: whatever the user has, as a live module or exported program."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from divergence.errors import LoadError
from divergence.load.checkpoint import TRUST, find_modules, pick_module
from divergence.load.factory import call_factory, is_factory_text
from divergence.load.kinds import CHECKPOINTS, Kind, kind_of
from divergence.load.pickled import read_pickle
from divergence.load.weights import load_weights
from divergence.options import Options

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram


@dataclass(frozen=True, slots=True)
class TorchModel:
    """A model and what the report says of it.

    module: a live `nn.Module`, a `ScriptModule` or an `ExportedProgram`.
    source: what the user named. notes: what was done beyond loading it. live: the user's own
    object, which is not to be changed.
    """

    module: nn.Module | ExportedProgram
    source: str
    notes: tuple[str, ...] = ()
    live: bool = False


def in_precision_of(loaded: TorchModel, dtypes: set[str | None]) -> TorchModel:
    """Return the model in float32 where a file holds it in half precision for its size alone.

    dtypes: of the ONNX inputs. Checkpoints are often stored in float16 and deployed in float32,
    which holds each of their values exactly. A live model stays as the user made it.
    """
    import torch

    module = loaded.module
    if loaded.live or not _is_plain_module(module):
        return loaded
    stored = {p.dtype for p in module.parameters() if p.is_floating_point()}
    halves = {torch.float16, torch.bfloat16}
    if not stored or not stored <= halves or "float32" not in dtypes or len(stored) > 1:
        return loaded
    name = str(stored.pop()).removeprefix("torch.")
    note = f"stored in {name}, run in float32 as the ONNX file is"
    return replace(loaded, module=module.float(), notes=(*loaded.notes, note))


def load_torch(model: Any, options: Options) -> TorchModel:
    """Load MODEL, and `options.weights` into it.

    model: a live module or exported program, used as it is; a path; or a factory.

    Raises:
        LoadError: not a model, no such file, or an option is missing to load it.
    """
    loaded = _load(model, options)
    if options.weights is None:
        return loaded
    if not _is_plain_module(loaded.module):
        raise LoadError(
            f"--weights goes into a module, and {loaded.source} is an archive with its own "
            "weights; drop --weights, or name a factory as MODEL."
        )
    notes = load_weights(loaded.module, options.weights, options.trust_pickle)
    return replace(loaded, notes=loaded.notes + notes)


def _load(model: Any, options: Options) -> TorchModel:
    if isinstance(model, str) and is_factory_text(model):
        if options.factory is not None:
            raise LoadError(
                f"MODEL is the factory '{model}', and --factory is given too; name one."
            )
        return _from_factory(model)
    if isinstance(model, str | Path):
        return _from_file(Path(model).expanduser(), options)
    return _live(model)


def _live(model: Any) -> TorchModel:
    from torch import nn
    from torch.export import ExportedProgram

    if isinstance(model, ExportedProgram):
        return TorchModel(model, "ExportedProgram", live=True)
    if isinstance(model, nn.Module):
        name = f"{type(model).__module__}.{type(model).__qualname__}"
        return TorchModel(model, name, live=True)
    if isinstance(model, Mapping):
        raise LoadError(
            "The model is a dict: a state dict has weights without a network; load it into the "
            "module and pass that."
        )
    raise LoadError(
        f"The model is {type(model).__name__}; it is an nn.Module, an ExportedProgram, an ONNX "
        "ModelProto, a path or a factory's name."
    )


def _from_factory(factory: Any) -> TorchModel:
    module = call_factory(factory)
    source = factory if isinstance(factory, str) else getattr(factory, "__qualname__", "factory")
    # A module is born in training mode; nobody who names a factory means that.
    notes = ("put in eval mode",) if module.training else ()
    return TorchModel(module.eval() if module.training else module, source, notes)


def _from_file(path: Path, options: Options) -> TorchModel:
    kind = kind_of(path)
    if kind is Kind.SAFETENSORS or kind in CHECKPOINTS:
        return _from_checkpoint(path, kind, options)
    if options.factory is not None:
        whole = kind in (Kind.TORCHSCRIPT, Kind.EXPORTED, Kind.ONNX)
        raise LoadError(
            f"--factory is given, and '{path}' is {kind}, "
            + ("which needs none; drop it." if whole else "no weights that could go into it.")
        )
    if kind is Kind.TORCHSCRIPT:
        return TorchModel(_load_script(path), str(path))
    if kind is Kind.EXPORTED:
        return TorchModel(_load_exported(path), str(path))
    raise LoadError(
        f"'{path}' is {kind}; MODEL is a TorchScript or torch.export archive, a state dict, a "
        "pickled module, an ONNX file or a factory such as package.module:callable."
    )


def _from_checkpoint(path: Path, kind: Kind, options: Options) -> TorchModel:
    if options.factory is not None:
        made = _from_factory(options.factory)
        assert _is_plain_module(made.module)
        notes = load_weights(made.module, path, options.trust_pickle)
        return TorchModel(made.module, str(path), made.notes + notes)
    modules = {} if kind is Kind.SAFETENSORS else find_modules(read_pickle(path, kind))
    if not modules:
        raise LoadError(
            f"'{path}' is {kind} without a network (a state dict, or other values); give the "
            "network by --factory package.module:callable."
        )
    if not options.trust_pickle:
        key, name = next(iter(modules.items()))
        where = f" under '{key}'" if key else ""
        raise LoadError(
            f"'{path}' holds a pickled {name}{where}, and to unpickle it can run any code; {TRUST}"
        )
    module, told = pick_module(path, kind)
    return TorchModel(module, str(path), (told,))


def _load_script(path: Path) -> nn.Module:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated, files are not
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            module: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
        except Exception as error:
            raise _unreadable(path, Kind.TORCHSCRIPT, error) from error
    return module


def _load_exported(path: Path) -> ExportedProgram:
    import torch

    try:
        # Passed as a stream: torch.export would insist on the name's ending.
        with path.open("rb") as stream:
            return torch.export.load(stream)
    except Exception as error:
        raise _unreadable(path, Kind.EXPORTED, error) from error


def _unreadable(path: Path, kind: Kind, error: Exception) -> LoadError:
    reason = next(iter(str(error).strip().splitlines()), "")
    return LoadError(f"'{path}' is {kind} that cannot be loaded: {type(error).__name__}: {reason}")


def _is_plain_module(module: Any) -> TypeGuard[nn.Module]:
    import torch

    return isinstance(module, torch.nn.Module) and not isinstance(module, torch.jit.ScriptModule)
