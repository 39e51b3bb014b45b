"""Checkpoints: read weights-only, or unpickled where the user trusts the file."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.errors import LoadError
from divergence.load.kinds import Kind
from divergence.load.opcodes import Instance
from divergence.load.pickled import globals_of, is_module, read_pickle

if TYPE_CHECKING:
    from torch import nn

# Where training code keeps the module, the one that is deployed first; then any other key.
_MODULE_KEYS = ("ema", "model_ema", "model", "module", "net", "network", "generator")
_SHOWN = 4
TRUST = "give --trust-pickle (trust_pickle=True) if you trust where it comes from."


def read_checkpoint(path: Path, kind: Kind, trust_pickle: bool) -> Any:
    """Return what `torch.save` or `pickle.dump` wrote, tensors on the CPU.

    Raises:
        LoadError: damaged, or it would run code and is not trusted.
    """
    import torch

    if trust_pickle:
        return _unpickle(path, kind)
    if kind is not Kind.PICKLE:
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever the unpickler says of bytes that are no pickle
            if not isinstance(error, pickle.UnpicklingError) or "GLOBAL" not in str(error):
                raise _damaged(path, error) from error
    foreign = globals_of(read_pickle(path, kind))
    raise LoadError(
        f"'{path}' holds more than tensors ({some(foreign) or 'a plain pickle'}), and to unpickle "
        f"it can run any code; {TRUST}"
    )


def find_modules(contents: Any) -> dict[str, str]:
    """Return the class of each module in a pickle that was read without executing it, by key.

    The key of a pickle that is a module itself is "".

    >>> find_modules({"epoch": 3})
    {}
    """
    entries = contents if isinstance(contents, Mapping) else {"": contents}
    return {
        str(key): value.made_by
        for key, value in entries.items()
        if isinstance(value, Instance) and is_module(value)
    }


def pick_module(path: Path, kind: Kind) -> tuple[nn.Module, str]:
    """Unpickle a file that the user trusts; return the module in it and where it was.

    Raises:
        LoadError: it cannot be unpickled, or holds no module.
    """
    from torch import nn

    checkpoint = _unpickle(path, kind)
    entries = checkpoint if isinstance(checkpoint, Mapping) else {"": checkpoint}
    modules = {key: value for key, value in entries.items() if isinstance(value, nn.Module)}
    if not modules:
        raise LoadError(f"'{path}' holds no nn.Module but {some(map(str, entries))}.")
    key = next((key for key in _MODULE_KEYS if key in modules), next(iter(modules)))
    others = [str(other) for other in modules if other != key]
    told = f"the module under '{key}' of '{path.name}'" if key else f"'{path.name}', unpickled"
    return modules[key], told + (f" (it also has {some(others)})" if others else "")


def some(names: Iterable[str]) -> str:
    """Return the first few names as a list for a sentence.

    >>> some("abcdef")
    'a, b, c, d and 2 more'
    """
    names = list(names)
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _unpickle(path: Path, kind: Kind) -> Any:
    import torch

    if str(Path.cwd()) not in sys.path:  # classes of the project that the user stands in
        sys.path.insert(0, str(Path.cwd()))
    try:
        if kind is not Kind.PICKLE:
            return torch.load(path, map_location="cpu", weights_only=False)
        with path.open("rb") as stream:
            return pickle.load(stream)  # noqa: S301  # the user said that the file is trusted
    except (ModuleNotFoundError, AttributeError) as error:
        raise LoadError(
            f"'{path}' needs code that is not importable here: {error}. Run where it is, or "
            "install it."
        ) from error
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> LoadError:
    reason = next(iter(str(error).strip().splitlines()), "")
    return LoadError(f"'{path}' cannot be loaded: {type(error).__name__}: {reason}")
