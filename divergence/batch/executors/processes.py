"""Several processes on this machine; what a killed one had is run again."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from divergence.batch.records import Item, Row
from divergence.batch.worker import Job, Worker, open_worker
from divergence.errors import DivergenceError, OptionError

# An input that two workers died with is given up: it, not chance, kills them.
TRIES = 2
DIED = "the process that ran it died (out of memory?)"

_worker: Worker | DivergenceError | None = None


def run(job: Job, items: Sequence[Item], jobs: int) -> Iterator[tuple[Item, Row]]:
    """Yield each item with its row as it is done.

    Raises:
        OptionError: the models cannot be sent to other processes.
        DivergenceError: a model cannot be loaded.
    """
    _check_sendable(job)
    deaths: Counter[str] = Counter()
    left = {item.name: item for item in items}
    while left:
        # After a death one at a time: the one that dies then is the one to blame.
        suspects = [left[name] for name in deaths if name in left]
        batch, count = (suspects[:1], 1) if suspects else (list(left.values()), jobs)
        for item, row in _run_until_death(job, batch, count):
            if row is not None:
                del left[item.name]
                yield item, row
                continue
            deaths[item.name] += 1
            if deaths[item.name] >= TRIES:
                del left[item.name]
                yield item, Row(item.name, "failed", DIED)


def _run_until_death(
    job: Job, items: Sequence[Item], jobs: int
) -> Iterator[tuple[Item, Row | None]]:
    """Yield items with their rows; after a death those that were under way, with None."""
    context = multiprocessing.get_context("spawn")
    waiting = iter(items)
    with ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(job,)) as pool:
        try:
            # As many as there are workers: what is under way when one dies is little.
            running = {
                pool.submit(_compare, item): item
                for item, _ in zip(waiting, range(jobs), strict=False)
            }
            while running:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                yield from _results(done, running)
                for item, _ in zip(waiting, done, strict=False):
                    running[pool.submit(_compare, item)] = item
        except BrokenProcessPool:
            yield from ((item, None) for item in running.values())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _results(
    done: set[Future[Row]], running: dict[Future[Row], Item]
) -> Iterator[tuple[Item, Row]]:
    broken = None
    for future in done:
        try:
            row = future.result()
        except BrokenProcessPool as error:
            broken = error
            continue
        yield running.pop(future), row
    if broken is not None:
        raise broken


def _check_sendable(job: Job) -> None:
    try:
        pickle.dumps(job)
    except Exception as error:
        raise OptionError(
            "with more than one job the models go to other processes, and these cannot be sent "
            f"({type(error).__name__}: {error}); give paths or a factory, or jobs=1."
        ) from error


def _begin(job: Job) -> None:
    """Load both sides once for all inputs of this process; a failure is told with the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    global _worker  # noqa: PLW0603 # a process of a pool has no other place for what it keeps
    try:
        _worker = open_worker(job)
    except DivergenceError as error:
        _worker = error


def _end_with_parent() -> None:
    """End this process when the one that asks is killed: nobody else would tell it."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _compare(item: Item) -> Row:
    if isinstance(_worker, DivergenceError):
        raise _worker
    assert _worker is not None
    return _worker.compare(item)
