"""Every option of a trace, checked in one place for the command line and for Python."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from divergence.errors import OptionError, nearest

# A preparation or post-processing: a document's path, `package.module:callable`, a callable,
# or the document itself (a list of steps).
Spec = str | Path | Callable[..., Any] | Sequence[Mapping[str, Any]]

Optimization = Literal["deployed", "none", "basic", "extended", "all"]
OPTIMIZATIONS: tuple[str, ...] = get_args(Optimization)
_DEVICE = re.compile(r"(cpu|mps|(cuda|xpu)(:\d+)?)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


@dataclass(frozen=True)
class Options:
    """What a user may ask for beside the models and the inputs.

    output: folder that the run is written to.
    factory, weights, trust_pickle: how MODEL becomes a module (see `divergence.load`).
    preprocess, candidate_preprocess: how an image becomes the tensor; the second defaults
        to the first. postprocess, candidate_postprocess: the same behind the model.
    candidate_inputs: what the candidate alone is fed, in the words of INPUT.
    optimization: the ONNX Runtime graph that is traced.
    rtol, atol: judge by these instead of by the floor; both or neither.
    ignore: patterns (`fnmatch`) of sites that stay out of the verdict.
    memory: upper bound, in bytes, for values held at once; `parse_size` reads "2GiB".
    device: PyTorch device; None is where a live module already is, and cpu for files.
    provider: ONNX Runtime execution provider. threads: of each runtime, None for its default.
    functional: functional ops are sites too. floor: run the reference in float64; without it
        a pair is judged by what its segment adds. diagnose: look for culprits and causes;
        without it and the floor, pairs are judged by a table of tolerances (that of
        `torch.testing`), which rounding alone passes in deep networks.
    thorough: probes that need more runs. pairs: a CSV of pairs fixed by hand.
    fix: where the candidate with all proved changes undone is written.
    html, quiet: whether the page is written, whether the terminal stays silent.
    seed: of `random:` inputs.

    Raises:
        OptionError: a value is out of range or contradicts another.
    """

    output: Path = Path("divergence-report")
    factory: str | Callable[..., Any] | None = None
    weights: Path | None = None
    trust_pickle: bool = False
    preprocess: Spec | None = None
    candidate_preprocess: Spec | None = None
    candidate_inputs: Any = None
    optimization: Optimization = "deployed"
    rtol: float | None = None
    atol: float | None = None
    ignore: tuple[str, ...] = ()
    memory: int = 2**30
    device: str | None = None
    provider: str = "CPUExecutionProvider"
    threads: int | None = None
    functional: bool = True
    floor: bool = True
    diagnose: bool = True
    thorough: bool = False
    pairs: Path | None = None
    fix: Path | None = None
    postprocess: Spec | None = None
    candidate_postprocess: Spec | None = None
    html: bool = True
    quiet: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choice("optimization", self.optimization, OPTIMIZATIONS)
        _check_tolerances(self.rtol, self.atol)
        if self.device is not None and not _DEVICE.fullmatch(self.device):
            raise OptionError(
                f"device is {self.device!r}; it is one of cpu, mps, cuda, cuda:N, xpu, xpu:N."
            )
        if not self.provider.endswith("ExecutionProvider"):
            raise OptionError(
                f"provider is {self.provider!r}; it is an ONNX Runtime name such as "
                "CPUExecutionProvider or CUDAExecutionProvider, or cpu or cuda for short."
            )
        if self.memory < 1:
            raise OptionError(f"memory is {self.memory} bytes; it is a positive size such as 2GiB.")
        if self.threads is not None and self.threads < 1:
            raise OptionError(f"threads is {self.threads}; it is a positive number.")
        if self.seed < 0:
            raise OptionError(f"seed is {self.seed}; it is zero or a positive number.")

    def describe(self) -> dict[str, object]:
        """Return all options in JSON's words, as `report.json` shows them.

        >>> Options(rtol=1e-3, atol=1e-5).describe()["rtol"]
        0.001
        """
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def parse_options(given: Mapping[str, Any]) -> Options:
    """Build `Options` from what a user wrote; None means "not given".

    Paths, sizes, and short provider names may be strings; `ignore` a string or a sequence.

    >>> parse_options({"memory": "2GiB", "ignore": "head.*"}).ignore
    ('head.*',)

    Raises:
        OptionError: an unknown option (the nearest are named), or a wrong value.
    """
    known = {field.name: field for field in fields(Options)}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise OptionError(
            f"there is no option {unknown[0]!r}.{nearest(unknown[0], known)} "
            f"The options are {', '.join(known)}."
        )
    return Options(
        **{
            name: _PARSERS.get(name, _as_given)(name, value)
            for name, value in given.items()
            if value is not None
        }
    )


def parse_size(text: str | float) -> int:
    """Return a size in bytes; GiB are 2**30, GB are 10**9, a bare number is bytes.

    >>> parse_size("2GiB"), parse_size("500MB"), parse_size(4096)
    (2147483648, 500000000, 4096)

    Raises:
        OptionError: not a size.
    """
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise OptionError(
            f"memory is {text!r}; it is a size such as 2GiB, 500MB or a number of bytes."
        )
    number, prefix, binary = match.groups()
    base = 1024 if binary else 1000
    return int(float(number) * base ** " kmgt".index(prefix.lower() or " "))


def _as_given(_name: str, value: Any) -> Any:
    return value


def _path(name: str, value: Any) -> Path:
    try:
        return Path(value)
    except TypeError:
        raise OptionError(f"{name} is {value!r}; it is a path.") from None


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise OptionError(f"{name} is {value!r}; it is a number such as 1e-3.") from None


def _integer(name: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise OptionError(f"{name} is {value!r}; it is a whole number.") from None
    if number != float(value):
        raise OptionError(f"{name} is {value!r}; it is a whole number.")
    return number


def _patterns(_name: str, value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise OptionError(f"{name} is {value!r}; it is True or False.")
    return value


def _provider(_name: str, value: Any) -> str:
    short = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
    return short.get(str(value), str(value))


_PARSERS: Mapping[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("output", "weights", "pairs", "fix"), _path),
    **dict.fromkeys(("rtol", "atol"), _number),
    **dict.fromkeys(("threads", "seed"), _integer),
    **dict.fromkeys(("device", "optimization"), lambda _name, value: str(value)),
    **{field.name: _flag for field in fields(Options) if field.type == "bool"},
    "memory": lambda _name, value: parse_size(value),
    "ignore": _patterns,
    "provider": _provider,
}


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise OptionError(
            f"{name} is {value!r}; it is one of {', '.join(choices)}.{nearest(value, choices)}"
        )


def _check_tolerances(rtol: float | None, atol: float | None) -> None:
    if (rtol is None) != (atol is None):
        given, missing = ("rtol", "atol") if atol is None else ("atol", "rtol")
        raise OptionError(
            f"{given} is given without {missing}; give both to judge by them, or neither to "
            "judge by the floor (an element passes where error <= atol + rtol * |reference|)."
        )
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value is not None and not (value >= 0 and math.isfinite(value)):
            raise OptionError(f"{name} is {value}; it is zero or a positive, finite number.")


def _plain(value: Any) -> object:
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if callable(value):
        return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', repr(value))}"
    return f"<{type(value).__name__}>"  # a tensor or an array: its values are no option
