"""Who runs the inputs, one a file: this process, others on this machine, a Ray cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence

from divergence.batch.executors import alone, processes, ray
from divergence.batch.records import Item, Row
from divergence.batch.worker import Job
from divergence.errors import OptionError, nearest

EXECUTORS = ("processes", "ray")


def check_executor(name: str, jobs: int) -> None:
    """Refuse what cannot run, before anything does.

    Raises:
        OptionError: an unknown executor, no jobs, or Ray is not installed.
    """
    if name not in EXECUTORS:
        raise OptionError(
            f"executor is {name!r}; it is one of {', '.join(EXECUTORS)}.{nearest(name, EXECUTORS)}"
        )
    if jobs < 1:
        raise OptionError(f"jobs is {jobs}; it is a positive number.")
    if name == "ray" and importlib.util.find_spec("ray") is None:
        raise OptionError(
            "executor ray needs Ray: pip install 'onnx-divergence[ray]', or leave the executor at "
            "processes."
        )


def run_items(
    executor: str, jobs: int, job: Job, items: Sequence[Item]
) -> Iterator[tuple[Item, Row]]:
    """Yield each item with its row, in the order in which they are done."""
    if executor == "ray":
        return ray.run(job, items, jobs)
    return processes.run(job, items, jobs) if jobs > 1 else alone.run(job, items, jobs)
