"""Pairs that a user fixed or added by hand: a CSV as `pairs.csv` writes it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from divergence.errors import SpecError, nearest
from divergence.records import Match, Program

BY_HAND = "by hand"
_COLUMNS = ("reference", "candidate")


def read_pairs(path: str | Path, reference: Program, candidate: Program) -> tuple[Match, ...]:
    """Return the pairs of a file, certain as the user says they are.

    The columns `reference` and `candidate` are read, others are passed over, and so is a line
    without a candidate. Raises SpecError for a file that cannot be read, a missing column, a
    site that its side does not have (with the nearest names), or a site paired twice.
    """
    path = Path(path)
    known = {site.name for site in reference.sites}, {site.name for site in candidate.sites}
    matches: dict[str, Match] = {}
    for line, names in _lines(path):
        for side, name, sites in zip(_COLUMNS, names, known, strict=True):
            if name not in sites:
                hint = nearest(name, sites)
                raise SpecError(f"{path}, line {line}: the {side} has no site '{name}'.{hint}")
        earlier = matches.get(names[0])
        if earlier is not None and earlier.candidate != names[1]:
            raise SpecError(
                f"{path}, line {line}: '{names[0]}' is paired twice, with '{earlier.candidate}' "
                f"and with '{names[1]}'. Keep one of the lines."
            )
        matches[names[0]] = Match(*names, paired_by=BY_HAND, confidence=1.0)
    return tuple(matches.values())


def _lines(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the number of each line of the file and the pair it names."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                given = ", ".join(rows.fieldnames or ()) or "none"
                raise SpecError(
                    f"{path}: the column {missing[0]} is missing; columns found: {given}. "
                    "Write a CSV with the columns reference and candidate, as pairs.csv has them."
                )
            for row in rows:
                names = (row["reference"] or "").strip(), (row["candidate"] or "").strip()
                if names[0] and names[1]:
                    yield rows.line_num, names
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SpecError(f"The pairs file {path} cannot be read: {error}.") from error
