"""How figures and names are written for readers: the same in every renderer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from divergence.records import Introduced, Pair, PairVerdict, Proof


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure in as few characters as it takes to compare it with others.

    >>> number(0.0), number(3.14159e-5), number(0.25), number(float("nan")), number(None)
    ('0', '3.1e-05', '0.25', 'NaN', '-')
    """
    if value is None:
        return "-"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    if value != 0 and not 1e-2 <= abs(value) < 1e4:
        return f"{value:.{digits - 1}e}"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"


def multiple(value: float | None) -> str:
    """Return how many times something is beyond something else.

    >>> multiple(1.24), multiple(5321.0)
    ('1.2x', '5,321x')
    """
    return number(value) + ("x" if value is not None and math.isfinite(value) else "")


def added(introduced: Introduced, pair: Pair) -> str:
    """Return what a segment does to right values. pair: what shows it.

    A value of another shape cannot be subtracted, one that is not finite has no size.
    """
    if pair.verdict == PairVerdict.NOT_COMPARABLE:
        return "gives another shape"
    if math.isinf(introduced.multiple):
        return "adds values that are not finite"
    return f"adds {number(introduced.max_abs)}, {multiple(introduced.multiple)} the floor"


def proved(proof: Proof) -> str:
    """Return what the errors of a proof are of.

    >>> proved(Proof("negate", 1.0, 0.0)), proved(Proof("negate", 1.0, 0.0, where="conv_1"))
    ('final error', 'error at conv_1')
    """
    return f"error at {printable(proof.where)}" if proof.where else "final error"


def share(part: int, whole: int) -> str:
    """Return `part of whole`, with the share in percent where there is one.

    >>> share(98, 100), share(0, 0)
    ('98 of 100 (98 %)', '0 of 0')
    """
    return f"{part} of {whole}" + (f" ({percent(part, whole)})" if whole else "")


def percent(part: int, whole: int) -> str:
    """Return a share, rounded down: 100 % is all of them.

    >>> percent(999, 1000), percent(0, 0)
    ('99 %', '-')
    """
    return f"{100 * part // whole} %" if whole else "-"


def printable(text: str) -> str:
    r"""Return `text` with control characters escaped: a name cannot steer a terminal.

    >>> printable("conv\x1b[2J")
    'conv\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def value(given: Any, limit: int = 8) -> str:
    """Return any value of an evidence, parameter or environment in one line.

    >>> value([0.485, 0.456]), value({"exif": True}), value(1e-05)
    ('[0.485, 0.456]', 'exif: true', '1e-05')
    """
    if isinstance(given, bool) or given is None:
        return {True: "true", False: "false", None: "none"}[given]
    if isinstance(given, Mapping | list | tuple) and not given:
        return "none"
    if isinstance(given, float):
        return number(given, digits=6) if not math.isfinite(given) else f"{given:.6g}"
    if isinstance(given, Mapping):
        return ", ".join(f"{printable(str(k))}: {value(v, limit)}" for k, v in given.items())
    if isinstance(given, Sequence) and not isinstance(given, str):
        head = ", ".join(value(v, limit) for v in given[:limit])
        return f"[{head}, ... {len(given)} in all]" if len(given) > limit else f"[{head}]"
    return printable(str(given))


def shape(sizes: Sequence[int]) -> str:
    """Return a shape as it is read aloud; a scalar has none.

    >>> shape((1, 197, 384)), shape(())
    ('1x197x384', 'scalar')
    """
    return "x".join(map(str, sizes)) or "scalar"
