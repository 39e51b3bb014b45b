"""Room in float16: the values nearest to the end of its range, and those beyond it."""

from __future__ import annotations

from collections.abc import Sequence

from divergence.records import Pair
from divergence.report import words

# More layers than a reader goes through; all are in the table.
MOST_LISTED = 20


def brief(pairs: Sequence[Pair]) -> str:
    """Return in a line what would overflow, or how much room is left; "" where not known."""
    known = _by_room(pairs)
    if not known:
        return ""
    beyond = [pair for pair in known if _bits(pair) < 0]
    if not beyond:
        return f"{_bits(known[0]):.1f} bits left at {words.printable(known[0].reference)}"
    more = f" and {len(beyond) - 1} more" if len(beyond) > 1 else ""
    return f"{words.printable(beyond[0].reference)}{more} would overflow"


def facts(pairs: Sequence[Pair]) -> tuple[tuple[str, str], ...]:
    """Return the sites that would overflow, else those with the least room, and their bits."""
    known = _by_room(pairs)
    beyond = [pair for pair in known if _bits(pair) < 0]
    shown = (beyond or known[:3])[:MOST_LISTED]
    told = [(words.printable(pair.reference), f"{_bits(pair):.1f} bits") for pair in shown]
    if len(beyond) > len(shown):
        told.append(("more that would overflow", str(len(beyond) - len(shown))))
    return tuple(told)


def _by_room(pairs: Sequence[Pair]) -> list[Pair]:
    return sorted((pair for pair in pairs if pair.headroom_bits is not None), key=_bits)


def _bits(pair: Pair) -> float:
    return pair.headroom_bits or 0.0
