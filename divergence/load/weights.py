"""State dicts: found in a file, and put into a module whatever prefix its keys carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.errors import LoadError, nearest
from divergence.load.checkpoint import read_checkpoint
from divergence.load.kinds import CHECKPOINTS, Kind, kind_of

if TYPE_CHECKING:
    from torch import Tensor, nn

StateDict = Mapping[str, "Tensor"]

# Which of several dicts of weights in a checkpoint is used where more than one fits the module:
# an average over training steps is what people deploy. Then the order of the file.
_AVERAGED = ("ema", "params_ema", "model_ema", "state_dict_ema", "ema_state_dict", "averaged")
_SHOWN = 5  # keys listed in a message


@dataclass(frozen=True, slots=True)
class _Fit:
    """A state dict under the keys that a module might know, and how far it is from that."""

    state: StateDict
    told: str
    shared: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def faults(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.misshapen)


def load_weights(module: nn.Module, path: Path, trust_pickle: bool) -> tuple[str, ...]:
    """Load a state dict into the module, strictly, and return notes on what was done.

    path: safetensors, or a checkpoint whose top level or one of whose entries (`state_dict`,
    `model`, `ema`, ...) is a dict of tensors, or holds a module (with `trust_pickle`).
    A prefix that all keys carry, or that the module's own keys need, is taken off or added.

    Raises:
        LoadError: unreadable, no weights in it, or keys and shapes that do not fit.
    """
    found = list(_state_dicts(_read(path, trust_pickle), ""))
    if not found:
        raise LoadError(f"'{path}' holds no state dict: no tensors under names.")
    own = module.state_dict()
    fits = [fit for where, state in found for fit in _fits(own, where, state)]
    # Of the misfits the one that shares most keys is told of; of equals the first counts.
    best = min(fits, key=lambda fit: (fit.faults > 0, -fit.shared, fit.faults))
    if best.faults:
        raise LoadError(_mismatch(path, type(module).__name__, own, best))
    module.load_state_dict(best.state, strict=False)
    return (f"weights from '{path.name}'{best.told}", *_cast_notes(own, best.state))


def _read(path: Path, trust_pickle: bool) -> Any:
    kind = kind_of(path)
    if kind is Kind.SAFETENSORS:
        return _read_safetensors(path)
    if kind in CHECKPOINTS:
        return read_checkpoint(path, kind, trust_pickle)
    raise LoadError(
        f"'{path}' is {kind}, not a state dict; weights are a .safetensors file or a dict of "
        "tensors written by torch.save."
    )


def _read_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: StateDict = load_file(path)
    except SafetensorError as error:
        raise LoadError(
            f"'{path}' is a damaged or truncated safetensors file: {error}; fetch it again."
        ) from error
    return state


def _state_dicts(value: Any, where: str) -> Iterator[tuple[str, StateDict]]:
    """Find the dicts of tensors in a checkpoint, averaged weights first."""
    from torch import Tensor, nn

    if isinstance(value, nn.Module):
        yield where, value.state_dict()
        return
    if not isinstance(value, Mapping):
        return
    tensors = {k: v for k, v in value.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if tensors:
        yield where, tensors
    inner = [(str(key), item) for key, item in value.items() if key not in tensors]
    for key, item in sorted(inner, key=lambda entry: entry[0] not in _AVERAGED):
        yield from _state_dicts(item, f"{where}.{key}" if where else key)


def _fits(own: StateDict, where: str, state: StateDict) -> Iterator[_Fit]:
    """Try the keys as they are, without a leading part, and with one that the module needs."""
    at = f", entry '{where}'" if where else ""
    yield _fit(own, state, at)
    for prefix in _leading(state):
        under = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        rest = len(state) - len(under)
        told = f"{at}, prefix '{prefix}' taken off"
        yield _fit(own, under, f"{told}, {rest} of {len(state)} keys left out" if rest else told)
    for prefix in _leading(own):
        if all(key.startswith(prefix) for key in own):
            added = {prefix + key: value for key, value in state.items()}
            yield _fit(own, added, f"{at}, prefix '{prefix}' added")


def _leading(keys: Mapping[str, Any]) -> list[str]:
    """Return the first one and two parts of dotted keys, each once, in order."""
    parts = [key.split(".") for key in keys]
    short = [p[0] + "." for p in parts if len(p) > 1]
    return list(dict.fromkeys(short + [".".join(p[:2]) + "." for p in parts if len(p) > 2]))


def _fit(own: StateDict, state: StateDict, told: str) -> _Fit:
    # Checkpoints from before torch 0.4.1 do not count batches, which no forward reads in eval.
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    shared = [key for key in own if key in state]
    return _Fit(
        state=state,
        told=told,
        shared=len(shared),
        missing=tuple(missing),
        unexpected=tuple(key for key in state if key not in own),
        misshapen=tuple(key for key in shared if state[key].shape != own[key].shape),
    )


def _mismatch(path: Path, name: str, own: StateDict, fit: _Fit) -> str:
    parts = [
        f"{len(fit.missing)} missing ({_some(fit.missing)})" if fit.missing else "",
        f"{len(fit.unexpected)} unexpected ({_some(fit.unexpected)})" if fit.unexpected else "",
        "other shape: "
        + _some([f"{k} {list(fit.state[k].shape)} for {list(own[k].shape)}" for k in fit.misshapen])
        if fit.misshapen
        else "",
    ]
    hint = nearest(fit.missing[0], fit.unexpected) if fit.missing else ""
    return (
        f"The weights in '{path}' do not fit {name} ({len(own)} keys): "
        f"{'; '.join(part for part in parts if part)}.{hint} "
        "Give the factory that made these weights."
    )


def _some(items: tuple[str, ...] | list[str]) -> str:
    more = f", and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _cast_notes(own: StateDict, state: StateDict) -> tuple[str, ...]:
    casts = {
        (str(state[k].dtype).removeprefix("torch."), str(own[k].dtype).removeprefix("torch."))
        for k in own
        if k in state and state[k].dtype != own[k].dtype
    }
    return tuple(f"{have} weights were cast to the module's {want}" for have, want in sorted(casts))
