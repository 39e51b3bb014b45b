"""A Ray cluster, by default one that is started here; what a dead worker had is run again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from divergence.batch.executors.processes import DIED, TRIES
from divergence.batch.records import Item, Row
from divergence.batch.worker import Job, Worker, open_worker


class RayWorker:
    """A worker as an actor: it loads both sides once."""

    def __init__(self, job: Job) -> None:
        self._worker: Worker = open_worker(job)

    def ready(self) -> bool:
        """Answer once both sides are loaded; raises what is wrong with them."""
        return True

    def compare(self, item: Item) -> Row:
        """Return the row of one input."""
        return self._worker.compare(item)


def run(job: Job, items: Sequence[Item], jobs: int) -> Iterator[tuple[Item, Row]]:
    """Yield each item with its row as it is done.

    `ray.init` is called where nobody did: RAY_ADDRESS says which cluster, else a local one.

    Raises:
        DivergenceError: a model cannot be loaded.
    """
    import ray

    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
    try:
        yield from _run(ray, job, items, jobs)
    finally:
        if started:
            ray.shutdown()


def _run(ray: Any, job: Job, items: Sequence[Item], jobs: int) -> Iterator[tuple[Item, Row]]:
    kind = ray.remote(num_cpus=1)(RayWorker)
    sent = ray.put(job)
    pool = [kind.remote(sent) for _ in range(min(jobs, len(items), _cpus(ray)))]
    _loaded(ray, pool[0])
    waiting, deaths = list(reversed(items)), Counter[str]()
    running: dict[Any, tuple[Item, Any]] = {}

    def submit(actor: Any) -> None:
        if waiting:
            item = waiting.pop()
            running[actor.compare.remote(item)] = item, actor

    for actor in pool:
        submit(actor)
    while running:
        (done,), _ = ray.wait(list(running), num_returns=1)
        item, actor = running.pop(done)
        try:
            yield item, ray.get(done)
        except ray.exceptions.RayActorError:
            actor = kind.remote(sent)
            deaths[item.name] += 1
            if deaths[item.name] < TRIES:
                waiting.append(item)
            else:
                yield item, Row(item.name, "failed", DIED)
        submit(actor)


def _cpus(ray: Any) -> int:
    """Return how many workers the cluster has room for: further ones would wait for ever."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _loaded(ray: Any, actor: Any) -> None:
    """Wait until a worker has loaded both sides; raise what it says of them."""
    from divergence.errors import DivergenceError

    try:
        ray.get(actor.ready.remote())
    except ray.exceptions.RayActorError as error:
        cause = error.__cause__
        raise cause if isinstance(cause, DivergenceError) else error from None
