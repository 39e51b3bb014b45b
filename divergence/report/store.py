"""A run on disk: written whole or not at all, and read back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from divergence.errors import LoadError, OutputError
from divergence.records import Report
from divergence.report import from_json, to_csv, to_json
from divergence.report import html as page
from divergence.report.document import build
from divergence.writable import why_not

R = TypeVar("R", bound=Report)

JSON, HTML, CSV = "report.json", "report.html", "pairs.csv"


def save(report: Report, directory: Path, *, html: bool = True) -> Path:
    """Write the report's files into `directory`, made where it is missing; return it.

    html: without it no page is written, and one of an earlier run is removed, for it
    would belong to another report.

    Raises:
        OutputError: the folder cannot be written; what stood there is as before.
    """
    texts = {CSV: to_csv.render(report), JSON: to_json.render(report)}
    if html:
        texts[HTML] = page.render(build(report))
    try:
        _write(texts, directory)
        if not html:
            (directory / HTML).unlink(missing_ok=True)
    except OSError as error:
        raise _refusal(directory, error) from error
    return directory


def load(directory: Path, kind: type[R]) -> R:
    """Read a run back from its folder, or from its `report.json`, as a `kind` of report.

    Raises:
        LoadError: there is no report, or it is not one that this version reads.
    """
    path = directory / JSON if directory.is_dir() else directory
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LoadError(
            f"there is no report at {path}; give the folder that `divergence trace -o` wrote."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path} cannot be read as a report: {error}.") from None
    return from_json.parse(text, str(path), kind)


def check_writable(directory: Path) -> None:
    """Refuse a folder that cannot be written, before a long run and not after it.

    Raises:
        OutputError: it is a file, or its nearest existing parent is not writable.
    """
    reason = why_not(directory)
    if reason:
        raise OutputError(
            f"cannot write the report to {directory}: {reason}; choose another folder with "
            "--output."
        )


def _write(texts: Mapping[str, str], directory: Path) -> None:
    """Write every file beside its place, then move all: a failure leaves the old ones."""
    made = [p for p in (directory, *directory.parents) if not p.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".divergence-", dir=directory))
        try:
            for name, text in texts.items():
                _write_through(staging / name, text)
            for name in texts:
                (staging / name).replace(directory / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError:
        for path in made:
            _remove_empty(path)
        raise


def _write_through(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())  # a full disk is reported here, not after the renaming


def _remove_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        return  # not made, or no longer empty: not ours to remove


def _refusal(directory: Path, error: OSError) -> OutputError:
    return OutputError(
        f"cannot write the report to {directory}: {error.strerror or error}; "
        "nothing was changed there. Free some space, or choose another folder with --output."
    )
