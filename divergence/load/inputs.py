"""INPUT: files, numbers, `random:` and Python values, as values under names or in order."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from divergence.capture.tensors import convert, to_array
from divergence.errors import InputError, LoadError
from divergence.load.kinds import CHECKPOINTS, Kind, kind_of
from divergence.load.randoms import PREFIX, Random, parse_random

_FORMS = (
    "an image, .npy, .npz, a .pt file of tensors, random:1x3x224x224, a number, or NAME= and "
    "one of these"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that is yet to be prepared: a file, or a Pillow image."""

    image: Any


@dataclass(frozen=True, slots=True)
class Given:
    """One value that the user gave, and where it is from.

    value: an array, a number, a `Random`, a `Picture`, or dicts, lists and tuples of arrays.
    """

    value: Any = field(repr=False)
    source: str


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the user gave: values in the order of `forward`, and values under names."""

    positional: tuple[Given, ...] = ()
    named: Mapping[str, Given] = field(default_factory=dict)


def read_inputs(inputs: Any) -> Inputs:
    """Read INPUT as the command line or Python gives it; nothing is unpickled.

    inputs: a tensor, an array, a number, a path, `NAME=INPUT`; a tuple of these in the order of
    `forward`; a dict of these by name; a list of texts as the command line has them.

    Raises:
        InputError: unreadable, of an unknown form, or a name that is given twice.
    """
    if isinstance(inputs, str | Path):
        return _read_texts([inputs])
    if isinstance(inputs, Mapping):
        return Inputs(named={str(k): _given(v, f"value '{k}'") for k, v in inputs.items()})
    if isinstance(inputs, tuple | list):
        if inputs and all(isinstance(item, str | Path) for item in inputs):
            return _read_texts(inputs)
        return Inputs(tuple(_given(v, f"value {place}") for place, v in enumerate(inputs)))
    return Inputs((_given(inputs, "the value"),))


def _read_texts(texts: Any) -> Inputs:
    positional: list[Given] = []
    named: dict[str, Given] = {}
    for text in texts:
        name, rest = _split(text)
        read = _read_text(rest)
        if name:
            fresh = {name: Given(_single(read), str(rest))}
        else:
            positional += read.positional
            fresh = dict(read.named)
        if twice := sorted(fresh.keys() & named.keys()):
            raise InputError(f"The input '{twice[0]}' is given twice.")
        named |= fresh
    if len(texts) > 1 and positional:
        raise InputError(
            f"{len(texts)} inputs are given, and {positional[0].source!r} has no name; write "
            "NAME=INPUT for each."
        )
    return Inputs(tuple(positional), named)


def _split(text: str | Path) -> tuple[str, str | Path]:
    """Split `NAME=INPUT`; a file whose path has `=` in it is no such thing."""
    name, equals, rest = str(text).partition("=")
    if not equals or not name or isinstance(text, Path) or Path(text).exists():
        return "", text
    return name, rest


def _read_text(text: str | Path) -> Inputs:
    if isinstance(text, str) and text.startswith(PREFIX):
        return Inputs((Given(parse_random(text), text),))
    number = None if isinstance(text, Path) else _number(text)
    path = Path(text).expanduser()
    if number is not None and not path.exists():
        return Inputs((Given(number, str(text)),))
    return _read_file(path)


def _number(text: str) -> bool | int | float | None:
    if text in ("true", "false", "True", "False"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _read_file(path: Path) -> Inputs:
    try:
        kind = kind_of(path)
    except LoadError as error:
        raise InputError(str(error)) from error
    try:
        return _read_kind(path, kind)
    except InputError:
        raise
    except Exception as error:  # whatever a parser says of a damaged file
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(f"'{path}' cannot be read: {reason}.") from error


def _read_kind(path: Path, kind: Kind) -> Inputs:
    if kind is Kind.IMAGE:
        return Inputs((Given(Picture(path), str(path)),))
    if kind in (Kind.NPY, Kind.NPZ):
        return _read_numpy(path)
    if kind is Kind.SAFETENSORS:
        from safetensors.torch import load_file

        return _spread(load_file(path), path)
    if kind in CHECKPOINTS:
        return _spread(_read_tensors(path), path)
    raise InputError(f"'{path}' is {kind}; an input is {_FORMS}.")


def _read_numpy(path: Path) -> Inputs:
    held = np.load(path, allow_pickle=False)
    if isinstance(held, np.ndarray):
        return Inputs((Given(_checked(held, str(path)), str(path)),))
    with held:
        arrays = {name: _checked(held[name], f"{path}: {name}") for name in held.files}
    # np.savez(path, a, b) calls them arr_0, arr_1: values in order.
    if list(arrays) == [f"arr_{place}" for place in range(len(arrays))]:
        return Inputs(tuple(Given(array, f"{path}: {name}") for name, array in arrays.items()))
    return _spread(arrays, path)


def _read_tensors(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "GLOBAL" not in str(error):  # not a class that is refused: no pickle at all
            raise
        raise InputError(
            f"'{path}' holds more than tensors, and inputs are never unpickled; save the tensors "
            "alone, or as .npz."
        ) from error


def _spread(held: Any, path: Path) -> Inputs:
    """Give each entry of a file under its own name; a list of values in its order."""
    if isinstance(held, Mapping):
        return Inputs(named={str(k): _given(v, f"{path}: {k}") for k, v in held.items()})
    if isinstance(held, tuple | list):
        return Inputs(tuple(_given(v, f"{path}: {place}") for place, v in enumerate(held)))
    return Inputs((_given(held, str(path)),))


def _single(read: Inputs) -> Any:
    """Return what `NAME=FILE` names: the one value of the file, or all of them together."""
    if len(read.positional) == 1:
        return read.positional[0].value
    if read.positional:
        return [given.value for given in read.positional]
    values = {name: given.value for name, given in read.named.items()}
    return next(iter(values.values())) if len(values) == 1 else values


def _given(value: Any, source: str) -> Given:
    """Take a Python value; a text in it is read as on the command line."""
    from PIL import Image

    if isinstance(value, Given):
        return value
    if isinstance(value, Image.Image):
        return Given(Picture(value), "image")
    if isinstance(value, str | Path):
        return Given(_single(_read_text(value)), str(value))
    return Given(convert(value, lambda leaf: _leaf(leaf, source)), source)


def _leaf(leaf: Any, source: str) -> Any:
    import torch

    if isinstance(leaf, torch.Tensor):
        return to_array(leaf)
    if leaf is None or isinstance(leaf, bool | int | float | str | Random | Picture):
        return leaf
    return _checked(np.asarray(leaf), source)


def _checked(array: Any, source: str) -> Any:
    if array.dtype.hasobject or (array.dtype.kind in "USV" and array.dtype.name != "bfloat16"):
        raise InputError(
            f"'{source}' holds {array.dtype}, not numbers; an input is an array of numbers."
        )
    return array
