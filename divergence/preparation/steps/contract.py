"""What every step of a preparation is, and how the words of a step are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from divergence.errors import SpecError, nearest
from divergence.preparation.picture import Picture

# No model takes a side this long; a slip such as 224224 would ask for terabytes.
MAX_SIDE = 32_768


class Step(Protocol):
    """One step: read from the words of a SPEC, written back to them, applied to a picture."""

    word: ClassVar[str]

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what stands behind the step's word; `SpecError` says what is wrong."""

    def document(self) -> Any:
        """Return the same words again, defaults included."""

    def apply(self, picture: Picture) -> Picture:
        """Return the picture after this step."""


class Fields:
    """The keys of one step, each read once and checked."""

    def __init__(self, step: str, value: object, keys: Sequence[str]) -> None:
        """Raise `SpecError` unless `value` is a mapping with no other keys than `keys`."""
        if not isinstance(value, Mapping):
            raise SpecError(
                f"Step '{step}' takes {{{', '.join(keys)}}}, got {type(value).__name__} {value!r}."
            )
        for key in value:
            if key not in keys:
                raise SpecError(
                    f"Step '{step}' has no key '{key}'.{nearest(str(key), keys)} "
                    f"Its keys are {', '.join(keys)}."
                )
        self.step, self._value = step, value

    def has(self, key: str) -> bool:
        """Say whether the key is given."""
        return self._value.get(key) is not None

    def exactly_one(self, *keys: str) -> str:
        """Return the one of `keys` that is given."""
        given = [key for key in keys if self.has(key)]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise SpecError(f"Step '{self.step}' needs one of {', '.join(keys)}, got {got}.")
        return given[0]

    def choice(self, key: str, options: Sequence[str], default: str) -> str:
        """Return one of `options`."""
        return word(f"{self.step}.{key}", self._value.get(key, default), options)

    def flag(self, key: str, default: bool) -> bool:
        """Return a boolean."""
        value = self._value.get(key, default)
        if not isinstance(value, bool):
            raise SpecError(f"'{self.step}.{key}' is true or false, got {value!r}.")
        return value

    def number(self, key: str, default: float) -> float:
        """Return a finite number."""
        return number(f"{self.step}.{key}", self._value.get(key, default))

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return one number or a list of them, as a tuple."""
        return numbers(f"{self.step}.{key}", self._value.get(key))

    def side(self, key: str) -> int:
        """Return a length in pixels, 1..MAX_SIDE."""
        return _pixels(f"{self.step}.{key}", self._value.get(key))

    def size(self, key: str) -> tuple[int, int]:
        """Return [height, width] in pixels; one number stands for a square."""
        value = self._value.get(key)
        name = f"{self.step}.{key}"
        if isinstance(value, int):
            return _pixels(name, value), _pixels(name, value)
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
            raise SpecError(f"'{name}' is [height, width] in pixels, got {value!r}.")
        return _pixels(name, value[0]), _pixels(name, value[1])

    def raw(self, key: str, default: object = None) -> object:
        """Return the value as it stands."""
        return self._value.get(key, default)


def word(name: str, value: object, options: Sequence[str]) -> str:
    """Return `value` if it is one of `options`; `SpecError` names the nearest otherwise."""
    if value not in options:
        raise SpecError(
            f"'{name}' is one of {', '.join(options)}, got {value!r}.{nearest(str(value), options)}"
        )
    return str(value)


def number(name: str, value: object) -> float:
    """Return a finite number; a text such as `1e-3`, which YAML 1.1 reads as a string, too."""
    try:
        result = float(value)  # type: ignore[arg-type]  # whatever the document holds
    except (TypeError, ValueError):
        raise SpecError(f"'{name}' is a number, got {value!r}.") from None
    if isinstance(value, bool) or not abs(result) < float("inf"):
        raise SpecError(f"'{name}' is a finite number, got {value!r}.")
    return result


def numbers(name: str, value: object) -> tuple[float, ...]:
    """Return one number or a list of numbers as a tuple."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if not value:
            raise SpecError(f"'{name}' is a number or one for each channel, got an empty list.")
        return tuple(number(name, item) for item in value)
    return (number(name, value),)


def plain(values: tuple[float, ...]) -> float | int | list[float | int]:
    """Return numbers as a document writes them: one alone, whole ones without a fraction."""
    tidy = [int(value) if value == int(value) else value for value in values]
    return tidy[0] if len(tidy) == 1 else tidy


def _pixels(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIDE:
        raise SpecError(f"'{name}' is a length of 1 to {MAX_SIDE} pixels, got {value!r}.")
    return value
