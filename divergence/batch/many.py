"""Many inputs: outputs compared for each, the worst one traced in full."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from divergence.batch.executors import check_executor, run_items
from divergence.batch.items import items_of
from divergence.batch.journal import FILE, Journal, key_of
from divergence.batch.labels import Labels, read_labels
from divergence.batch.records import Item, Row
from divergence.batch.summary import summarise, worst_of
from divergence.batch.tables import frame, write_tables
from divergence.batch.worker import Job
from divergence.errors import InputError, SetInterrupted
from divergence.options import parse_options
from divergence.progress import Progress, Silent
from divergence.records import InputSet
from divergence.trace import trace

if TYPE_CHECKING:
    from pandas import DataFrame

    from divergence.report import Report


@dataclass(frozen=True, slots=True)
class SetReport:
    """What a run over many inputs found.

    summary: the agreement over all. rows: one for each input, in the order given. worst: the
    report of the input with the greatest difference, with the summary as its `input_set`.
    """

    summary: InputSet
    rows: tuple[Row, ...]
    worst: Report

    def to_pandas(self) -> DataFrame:
        """Return the rows as a table."""
        return frame(self.rows)

    def save(self, directory: str | Path, *, html: bool = True) -> Path:
        """Write the worst input's report, `inputs.csv` and `inputs.parquet`; return the folder.

        Raises:
            OutputError: the folder cannot be written.
        """
        folder = self.worst.save(directory, html=html)
        write_tables(self.rows, folder)
        return folder


def trace_many(
    model: Any,
    onnx: Any,
    inputs: Any,
    *,
    labels: str | Path | None = None,
    executor: str = "processes",
    jobs: int = 1,
    keep: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> SetReport:
    """Compare both sides' outputs for many inputs, and trace the worst one in full.

    inputs: a folder, a glob, `@list.txt`, or a sequence of paths; with `NAME=` before the one
    that varies, others as NAME=INPUT are the same for each. labels: CSV of file and class number.
    executor: "processes" (with jobs=1 this one) or "ray". jobs: how many at once. keep: folder in
    which each row is kept as it is found; run again, what is there is not done again.
    options: those of `trace`.

    Raises:
        DivergenceError: a model, an option or all inputs are wrong.
        SetInterrupted: Ctrl-C; what was found is in `keep`.
    """
    check_executor(executor, jobs)
    asked = parse_options(options)
    items = items_of(inputs, takes=1) or _single(inputs)
    known = read_labels(labels, items)
    job = Job(model, onnx, replace(asked, threads=asked.threads or _threads(jobs)))
    journal = Journal(Path(keep) / FILE if keep is not None else None, key_of(job))
    heard = progress or Silent()
    rows = _rows(job, items, journal, heard, executor, jobs)
    rows = [_labelled(row, known) for row in rows]
    worst = worst_of(rows)
    if worst is None:
        raise InputError(
            f"None of {len(rows)} inputs could be compared; the first, {rows[0].input}: "
            f"{rows[0].reason}"
        )
    chosen = next(item for item in items if item.name == worst.input)
    report = trace(model, onnx, chosen.inputs, progress=heard, **options)
    summary = summarise(rows)
    return SetReport(summary, tuple(rows), replace(report, input_set=summary))


def _rows(
    job: Job,
    items: Sequence[Item],
    journal: Journal,
    progress: Progress,
    executor: str,
    jobs: int,
) -> list[Row]:
    """Return a row for each item, in their order; what the journal has is taken from there."""
    found = journal.begin(items)
    progress.stage("inputs", len(items))
    progress.advance(len(found))
    left = [item for item in items if item.name not in found]
    try:
        for item, row in _run(executor, jobs, job, left):
            journal.add(item, row)
            found[item.name] = row
            progress.advance()
    except KeyboardInterrupt as stopped:
        raise SetInterrupted(_stopped(len(found), len(items), journal)) from stopped
    return [found[item.name] for item in items]


def _run(executor: str, jobs: int, job: Job, items: Sequence[Item]) -> Iterator[tuple[Item, Row]]:
    if items:
        yield from run_items(executor, jobs, job, items)


def _stopped(done: int, total: int, journal: Journal) -> str:
    if journal.path is None:
        return f"interrupted after {done} of {total} inputs; nothing was written."
    return (
        f"interrupted: {done} of {total} inputs are kept in {journal.path}; the same command goes "
        "on from there."
    )


def _labelled(row: Row, labels: Labels) -> Row:
    return replace(row, label=labels.of(row.input))


def _threads(jobs: int) -> int | None:
    """Share the machine's cores; one job has the runtimes' own choice."""
    return None if jobs == 1 else max(1, (os.cpu_count() or 1) // jobs)


def _single(inputs: Any) -> tuple[Item, ...]:
    if isinstance(inputs, Mapping) or not isinstance(inputs, str | Path | list | tuple):
        raise InputError("Many inputs are a folder, a glob, @list.txt or a sequence of paths.")
    texts = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    return (Item(" ".join(map(str, texts)), [str(text) for text in texts]),)
