"""Labels of the inputs: a CSV of files and class numbers."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from divergence.batch.records import Item
from divergence.errors import SpecError


@dataclass(frozen=True, slots=True)
class Labels:
    """Class numbers by file."""

    by_name: Mapping[str, int]

    def of(self, name: str) -> int | None:
        """Return the label of an input: of its path, of the end of its path, of its file name."""
        parts = PurePath(name).parts
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self.by_name[end] for end in (name, *ends) if end in self.by_name), None)


def read_labels(path: Path | str | None, items: Sequence[Item]) -> Labels:
    """Read `file,label`; a first line that holds no number is a header.

    Raises:
        SpecError: unreadable, a label is no class number, or no input has one.
    """
    if path is None:
        return Labels({})
    try:
        with Path(path).expanduser().open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SpecError(f"The labels '{path}' cannot be read: {error}.") from error
    labels = Labels(
        dict(_read(row, place, path) for place, row in enumerate(rows) if _data(row, place))
    )
    if not any(labels.of(item.name) is not None for item in items):
        first = next(iter(labels.by_name), "nothing")
        raise SpecError(
            f"No input has a label in '{path}': it names {first!r} ..., and the first input is "
            f"{items[0].name!r}; write file,label."
        )
    return labels


def _data(row: Sequence[str], place: int) -> bool:
    header = place == 0 and not row[-1].strip().lstrip("-").isdigit()
    return not header


def _read(row: Sequence[str], place: int, path: Path | str) -> tuple[str, int]:
    if len(row) != 2 or not row[1].strip().isdigit():
        raise SpecError(
            f"Line {place + 1} of '{path}' is {','.join(row)!r}; write file,label with a class "
            "number from 0."
        )
    return PurePath(row[0].strip()).as_posix(), int(row[1])
