"""Rows as they are found, on disk: what an interrupted run has done is not done again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from divergence.batch.records import COLUMNS, Item, Row
from divergence.batch.worker import Job
from divergence.capture.tensors import to_array
from divergence.errors import OutputError
from divergence.report.to_json import NONFINITE, plain

FILE = "inputs.jsonl"
_LONGEST_PATH = 1024
_SCHEMA = "divergence.inputs/1"
# Options that do not change a row.
_ASIDE = frozenset({"output", "html", "quiet", "fix", "memory", "thorough", "diagnose", "threads"})


@dataclass(frozen=True, slots=True)
class Journal:
    """One line of JSON for each input; the first line says of which run. None keeps nothing."""

    path: Path | None
    key: str

    def begin(self, items: Sequence[Item]) -> dict[str, Row]:
        """Return the rows of these items that are there from an interrupted run of the same.

        A line that was cut off is dropped; a journal of another run is begun anew.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self.path is None:
            return {}
        found = _rows(self.path, self.key)
        wanted = {item.name: stamp(item) for item in items}
        kept = {
            name: (row, mark) for name, (row, mark) in found.items() if wanted.get(name) == mark
        }
        lines = [json.dumps({"schema": _SCHEMA, "key": self.key})]
        lines += [_line(row, mark) for row, mark in kept.values()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            whole = self.path.with_suffix(".part")
            whole.write_text("\n".join(lines) + "\n", encoding="utf-8")
            whole.replace(self.path)
        except OSError as error:
            raise _refusal(self.path, error) from error
        return {name: row for name, (row, _) in kept.items()}

    def add(self, item: Item, row: Row) -> None:
        """Append a row; it is on the disk when this returns.

        Raises:
            OutputError: the disk is full, or the folder is gone.
        """
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(row, stamp(item)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _refusal(self.path, error) from error


def key_of(job: Job) -> str:
    """Return what tells one run from another: the models and the options that change rows."""
    asked = {k: _named(v) for k, v in job.options.describe().items() if k not in _ASIDE}
    told = [_model(job.model), _model(job.onnx), asked]
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stamp(item: Item) -> list[Any]:
    """Return the files of an item with size and time of change: another file is another input."""
    marks = []
    for text in item.inputs:
        path = Path(str(text).partition("=")[2] or str(text))
        known = path.stat() if path.is_file() else None
        marks.append([str(text), *([known.st_size, known.st_mtime_ns] if known else [])])
    return marks


def _model(model: Any) -> Any:
    """Return what tells a model from another: its file's size and time, or its weights."""
    if isinstance(model, str | Path):
        return _named(str(model))
    digest = hashlib.sha256(type(model).__name__.encode())
    if hasattr(model, "SerializeToString"):
        digest.update(model.SerializeToString())
    for name, value in getattr(model, "state_dict", dict)().items():
        digest.update(name.encode())
        if hasattr(value, "detach"):
            digest.update(to_array(value).tobytes())
    return digest.hexdigest()


def _named(value: Any) -> Any:
    """Return a text with size and time of the file that it names, also as `file.py:callable`."""
    if not isinstance(value, str):
        return value
    for path in (Path(value), Path(value.partition(":")[0])):
        if len(value) < _LONGEST_PATH and path.is_file():
            known = path.stat()
            return [value, known.st_size, known.st_mtime_ns]
    return value


def _line(row: Row, mark: list[Any]) -> str:
    return json.dumps({"stamp": mark, **plain(asdict(row))}, ensure_ascii=False)


def _rows(path: Path, key: str) -> dict[str, tuple[Row, list[Any]]]:
    """Return the whole lines of a journal with this key, by input."""
    try:
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        if json.loads(first).get("key") != key:
            return {}
    except (OSError, UnicodeDecodeError, ValueError, AttributeError):
        return {}
    found = {}
    for line in lines:
        try:
            held = json.loads(line)
            row = Row(**{name: _value(name, held[name]) for name in COLUMNS})
            found[row.input] = row, held["stamp"]
        except (ValueError, KeyError, TypeError):
            continue  # cut off when the run was killed
    return found


def _value(name: str, value: Any) -> Any:
    """Return a figure with its non-finite values back; texts stay as they are."""
    if name in ("input", "state", "reason") or not isinstance(value, str):
        return value
    return NONFINITE[value]


def _refusal(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write {path}: {error.strerror or error}; what was found so far is kept. Free some "
        "space, or choose another folder with --output."
    )
