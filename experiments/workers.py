"""Who computes the blocks of a sweep: this process, or the workers of a cluster."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
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
        options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(n_workers=workers, **options) as local, Client(local) as client:
            yield client
    else:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(f"no scheduler at {scheduler}: {error}") from error
        with client:
            yield client


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

    The result is an exception where a block killed all workers that tried it.

    Raises
    ------
    RuntimeError
        If the cluster itself is lost.
    """
    import cloudpickle
    from distributed import KilledWorker, as_completed

    pickled, waiting = cloudpickle.dumps(compute), iter(jobs)
    window = WINDOW * max(sum(client.nthreads().values()), 1)
    running: dict[Any, Job] = {}

    def submit(count: int) -> list[Any]:
        new = []
        for job, argument in itertools.islice(waiting, count):
            future = client.submit(_call, pickled, argument, pure=False)
            running[future] = job
            new.append(future)
        return new

    try:
        finished = as_completed(submit(window))
        for future in finished:
            job, error = running.pop(future), future.exception()
            if error is None:
                yield job, future.result()
            elif isinstance(error, KilledWorker):
                yield job, WorkerDied(str(error).partition(". ")[0])
            else:
                raise error
            finished.update(submit(1))
    except (OSError, RuntimeError, TimeoutError) as error:
        raise RuntimeError(f"the cluster is lost ({type(error).__name__}: {error})") from error
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
