"""Who computes the blocks of a sweep: this process, or the workers of a cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

Job = TypeVar("Job")
WINDOW = 4  # blocks per worker thread that wait in the scheduler


@contextmanager
def cluster(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    """A client of workers started here, of a running scheduler, or of none: None.

    Raises
    ------
    ValueError
        If both are asked for, or neither can be had.
    """
    if workers is None and scheduler is None:
        yield None
        return
    if workers is not None and (scheduler is not None or workers < 1):
        raise ValueError(f"workers = {workers} with scheduler = {scheduler}: choose one, above 0")
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ValueError("workers need `pip install thermolimit[distributed]`") from error
    if workers is not None:
        options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0"}
        with LocalCluster(n_workers=workers, **options) as local, Client(local) as client:
            yield client
    else:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(f"no scheduler at {scheduler}: {error}") from error
        with client:
            yield client


class ClusterLost(ConnectionError):
    """The scheduler has died, or cannot be reached any more."""


class WorkerDied(RuntimeError):
    """A block took down every worker that tried it."""


def in_this_process(
    compute: Callable[[Any], Any], jobs: Iterable[tuple[Job, Any]]
) -> Iterator[tuple[Job, Any]]:
    """(job, result) of every (job, argument), one after the other."""
    return ((job, compute(argument)) for job, argument in jobs)


def on_cluster(
    client: Any, compute: Callable[[Any], Any], jobs: Iterable[tuple[Job, Any]]
) -> Iterator[tuple[Job, Any]]:
    """The same on the workers of a ``distributed.Client``, in the order in which they finish.

    The result is a ``WorkerDied`` where a block killed all workers that tried it.

    Raises
    ------
    ClusterLost
        If the cluster itself is lost.
    """
    import cloudpickle
    from distributed import KilledWorker

    pickled = cloudpickle.dumps(compute)
    window = WINDOW * max(sum(client.nthreads().values()), 1)
    suspects = []
    for job, argument, result in _through_window(client, pickled, jobs, window):
        if isinstance(result, KilledWorker):
            suspects.append((job, argument))
        else:
            yield job, result
    # a block takes those down with it that wait on the same worker: one at a time tells who it was
    for job, _, result in _through_window(client, pickled, suspects, 1):
        if isinstance(result, KilledWorker):
            result = WorkerDied(str(result).partition(". ")[0])
        yield job, result


def _through_window(
    client: Any, pickled: bytes, jobs: Iterable[tuple[Job, Any]], window: int
) -> Iterator[tuple[Job, Any, Any]]:
    """(job, argument, result or KilledWorker); at most ``window`` are with the scheduler."""
    from distributed import KilledWorker, as_completed

    waiting, running = iter(jobs), {}

    def submit(count: int) -> list[Any]:
        new = list(itertools.islice(waiting, count))
        futures = [client.submit(_call, pickled, argument, pure=False) for _, argument in new]
        running.update(zip(futures, new, strict=True))
        return futures

    try:
        finished = as_completed(submit(window))
        for future in finished:
            (job, argument), error = running.pop(future), future.exception()
            if error is not None and not isinstance(error, KilledWorker):
                raise error
            yield job, argument, future.result() if error is None else error
            finished.update(submit(1))
    except (OSError, RuntimeError, CancelledError) as error:
        raise ClusterLost(f"the cluster is lost ({type(error).__name__}: {error})") from error
    finally:
        if running and client.status == "running":
            client.cancel(list(running))


def _call(pickled: bytes, argument: Any) -> Any:
    return _unpickled(pickled)(argument)


@lru_cache(maxsize=8)
def _unpickled(pickled: bytes) -> Callable[[Any], Any]:
    """Once in a worker, or it would compile everything for every block."""
    import cloudpickle

    return cloudpickle.loads(pickled)
