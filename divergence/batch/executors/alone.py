"""One input after another, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from divergence.batch.records import Item, Row
from divergence.batch.worker import Job, open_worker


def run(job: Job, items: Sequence[Item], jobs: int) -> Iterator[tuple[Item, Row]]:
    """Yield each item with its row, in order."""
    del jobs
    worker = open_worker(job)
    for item in items:
        yield item, worker.compare(item)
