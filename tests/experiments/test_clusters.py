"""Sweeps on the workers of a cluster, some of which die."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cloudpickle
import dask
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster
from jax import Array

from thermolimit.experiments import Store, SweepWarning, inspection, open_sweep, stores, sweep
from thermolimit.experiments.workers import WINDOW, on_cluster
from thermolimit.simulations import Engines, curie_weiss
from thermolimit.solvers import Status

WORKERS = 2


class Measured(NamedTuple):
    level: Array | float
    profile: Annotated[Array | np.ndarray, "layer"]


class Mean(NamedTuple):
    mean: float


Chance = Annotated[float, (0.0, 1.0)]


@partial(jax.jit, static_argnames="n_spins")
def batched(key: Array, chance: Chance, *, n_spins: int) -> Measured:
    noise = jax.random.normal(key, (n_spins,))
    return Measured(jnp.tanh(noise).sum() * chance, noise)


def serial(rng: np.random.Generator, chance: Chance, *, n_spins: int) -> Measured:
    noise = rng.normal(size=n_spins)
    return Measured(np.tanh(noise).sum() * chance, noise)


def fair(chance: Chance) -> Mean:
    return Mean(chance**2)


def fragile(rng: np.random.Generator, chance: Chance, *, marker: str) -> Mean:
    """Its process dies the first time."""
    if chance == 0.5 and not Path(marker).exists():
        Path(marker).touch()
        os._exit(1)
    return Mean(rng.random())


def deadly(rng: np.random.Generator, chance: Chance, pause: float, *, survivor: int) -> Mean:
    """All processes but one die of it."""
    if os.getpid() != survivor:
        if chance == 0.5:
            os._exit(1)
        time.sleep(pause)
    return Mean(rng.random())


def slow(rng: np.random.Generator, chance: Chance) -> Mean:
    time.sleep(0.05)
    return Mean(rng.random())


@contextmanager
def local_cluster(**settings: Any) -> Iterator[Client]:
    """Workers with one thread each that know the functions of this file."""
    here = sys.modules[__name__]
    options = {"threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        cluster = stack.enter_context(LocalCluster(n_workers=WORKERS, processes=True, **options))
        cloudpickle.register_pickle_by_value(here)
        stack.callback(cloudpickle.unregister_pickle_by_value, here)
        yield stack.enter_context(Client(cluster))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local_cluster() as client:
        yield client


SWEEPS = {
    "jitted": (batched, {"seed": 3, "replicas": 9, "chance": [0.2, 0.4, 0.6], "n_spins": 4}),
    "serial": (serial, {"seed": 3, "replicas": 5, "chance": [0.2, 0.4, 0.6], "n_spins": [2, 5]}),
    "engines": (
        Engines(numba=serial, jax=batched),
        {"seed": 3, "replicas": 5, "chance": [0.2, 0.4], "n_spins": 4, "engine": "numba"},
    ),
    "recorded": (
        curie_weiss.relax,
        {"seed": 3, "replicas": 5, "temperature": [0.8, 1.2], "field": 0.1, "n_spins": 10,
         "step": [0, 2, 5]},
    ),
    "formula": (fair, {"chance": np.linspace(0.05, 0.95, 11)}),
}  # fmt: skip


@pytest.mark.parametrize("simulate, asked", SWEEPS.values(), ids=SWEEPS.keys())
def test_workers_find_the_numbers_of_this_process(client, tmp_path, simulate, asked):
    store = Store(tmp_path / "sweep.zarr", block=4, client=client)
    found = sweep(simulate, store=store, **asked)
    xr.testing.assert_identical(found, sweep(simulate, **asked))
    assert inspection.damage(store.path) == []


def test_a_sweep_may_change_between_workers_and_this_process(client, tmp_path, monkeypatch):
    commit, kept = stores.Blockwise.commit, []

    def interrupted(saved, block, where, found):
        if len(kept) == 3:
            raise KeyboardInterrupt
        kept.append(block)
        commit(saved, block, where, found)

    asked = {"seed": 3, "replicas": 4, "chance": [0.2, 0.4, 0.6, 0.8], "n_spins": [2, 5]}
    for helper in (client, None):
        path = tmp_path / f"{helper is None}.zarr"
        kept.clear()
        monkeypatch.setattr(stores.Blockwise, "commit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep(serial, store=Store(path, block=4, client=helper), **asked)
        monkeypatch.undo()
        assert int((open_sweep(path)["status"] == Status.OK).sum()) == 3 * 4
        other = None if helper is client else client
        found = sweep(serial, store=Store(path, client=other), **asked)
        xr.testing.assert_identical(found, sweep(serial, **asked))


def held(dask_scheduler: Any = None) -> int:
    return len(dask_scheduler.tasks)


def test_a_scheduler_never_holds_more_blocks_than_the_window(client):
    taken = 0

    def jobs() -> Iterator[tuple[int, int]]:
        nonlocal taken
        for number in range(60):
            taken += 1
            yield number, number

    found = {}
    for job, result in on_cluster(client, lambda number: number**2, jobs()):
        assert taken - len(found) <= WINDOW * WORKERS
        found[job] = result
        if job % 20 == 0:
            assert client.run_on_scheduler(held) <= 2 * WINDOW * WORKERS
    assert found == {number: number**2 for number in range(60)}


def test_a_sweep_that_ends_leaves_nothing_in_the_scheduler(client, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stores.Blockwise, "commit", full)
    store = Store(tmp_path / "sweep.zarr", block=1, client=client)
    with pytest.raises((OSError, RuntimeError)):
        sweep(slow, seed=3, replicas=20, store=store, chance=[0.2, 0.4])
    deadline = time.monotonic() + 20
    while client.run_on_scheduler(held) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.run_on_scheduler(held) == 0


def test_a_full_disk_is_not_called_a_lost_cluster(client, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "chunk")

    monkeypatch.setattr(stores.Blockwise, "commit", full)
    store = Store(tmp_path / "sweep.zarr", client=client)
    with pytest.raises(OSError, match="No space left"):
        sweep(serial, seed=3, replicas=2, store=store, chance=0.4, n_spins=3)


def test_a_module_that_workers_cannot_import_is_named(client, tmp_path, monkeypatch):
    (tmp_path / "homegrown.py").write_text(
        "from typing import NamedTuple\n"
        "class Mean(NamedTuple):\n    mean: float\n"
        "def coin(rng, chance: float) -> Mean:\n    return Mean(rng.random() + chance)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    coin = importlib.import_module("homegrown").coin
    asked = {"seed": 3, "replicas": 2, "chance": [0.1, 0.2]}
    path = tmp_path / "sweep.zarr"
    with pytest.raises(ModuleNotFoundError, match="homegrown"):
        sweep(coin, store=Store(path, client=client), **asked)
    found = sweep(coin, store=Store(path), **asked)
    xr.testing.assert_identical(found, sweep(coin, **asked))


def test_a_block_whose_worker_dies_is_computed_by_another(client, tmp_path):
    marker = tmp_path / "died"
    asked = {"seed": 3, "replicas": 2, "chance": [0.1, 0.3, 0.5, 0.7], "marker": str(marker)}
    store = Store(tmp_path / "sweep.zarr", block=1, client=client)
    found = sweep(fragile, store=store, **asked)
    assert marker.exists()
    xr.testing.assert_identical(found, sweep(fragile, **asked))


@pytest.mark.slow
@pytest.mark.parametrize(
    "allowed, pause",
    [(3, 0.0), pytest.param(0, 0.2)],
)
def test_a_block_that_kills_its_workers_costs_no_other(tmp_path, allowed, pause):
    asked = {"seed": 3, "replicas": 2, "survivor": os.getpid(), "pause": pause}
    asked["chance"] = np.arange(1, 20) / 20
    path = tmp_path / "sweep.zarr"
    with local_cluster(**{"distributed.scheduler.allowed-failures": allowed}) as client:
        with pytest.warns(SweepWarning, match="points failed"):
            found = sweep(deadly, store=Store(path, block=2, client=client), **asked)
    bad = found["chance"] == 0.5
    assert (found["status"] == xr.where(bad, Status.ERROR, Status.OK)).all()
    (entry,) = stores.Blockwise(path).noted("errors")
    assert entry["lanes"] == 2
    assert entry["first"]["chance"] == 0.5
    assert "worker" in entry["said"]
    expected = sweep(deadly, **asked)
    xr.testing.assert_equal(found.where(~bad), expected.where(~bad))
    xr.testing.assert_identical(sweep(deadly, store=Store(path), **asked), expected)


@contextmanager
def remote_cluster(folder: Path) -> Iterator[tuple[Client, subprocess.Popen]]:
    """A scheduler and a worker as programs of their own; the client and the scheduler."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    file = folder / "scheduler.json"

    def program(name: str, *options: str) -> subprocess.Popen:
        asked = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *options]
        return subprocess.Popen([*asked, "--scheduler-file", str(file)], cwd=folder, **quiet)

    with ExitStack() as stack:
        scheduler = stack.enter_context(program("scheduler", "--host", "127.0.0.1", "--port", "0"))
        stack.callback(scheduler.kill)
        worker = stack.enter_context(program("worker", "--no-nanny", "--nthreads", "1"))
        stack.callback(worker.kill)
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        client = Client(scheduler_file=str(file), timeout=30)
        stack.callback(client.close, timeout=1)
        client.wait_for_workers(1, timeout=60)
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        stack.callback(cloudpickle.unregister_pickle_by_value, sys.modules[__name__])
        yield client, scheduler


@pytest.mark.slow
def test_a_sweep_says_that_its_scheduler_died_and_keeps_what_is_done(tmp_path, monkeypatch):
    commit, kept = stores.Blockwise.commit, []
    asked = {"seed": 3, "replicas": 30, "chance": [0.2, 0.4]}
    path = tmp_path / "sweep.zarr"
    with remote_cluster(tmp_path) as (client, scheduler):

        def last(*args):
            commit(*args)
            kept.append(time.monotonic())
            if len(kept) == 5:
                scheduler.kill()

        monkeypatch.setattr(stores.Blockwise, "commit", last)
        with pytest.raises(ConnectionError, match="the cluster is lost"):
            sweep(slow, store=Store(path, block=1, client=client), **asked)
        assert time.monotonic() - kept[4] < 60
    monkeypatch.undo()
    assert 5 <= len(kept) < 60
    assert int((open_sweep(path)["status"] == Status.OK).sum()) == len(kept)
    found = sweep(slow, store=Store(path), **asked)
    xr.testing.assert_identical(found, sweep(slow, **asked))


STUDY = """
import sys, types
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from thermolimit.__main__ import main
from thermolimit.experiments import Tolerance, catalogue, sweep
from thermolimit.solvers import evaluate


class Mean(NamedTuple):
    head: float


def fair(chance: float) -> Mean:
    return Mean(chance)


def thrown(rng: np.random.Generator, chance: float, *, n_spins: int) -> Mean:
    return Mean(rng.binomial(n_spins, chance) / n_spins)


@dataclass(frozen=True)
class Grid:
    chance: tuple[float, ...] = (0.25, 0.5)
    n_spins: tuple[int, ...] = (100, 400)


def measure(grid, store):
    at = {"chance": grid.chance, "n_spins": grid.n_spins}
    return sweep(thrown, seed=1, replicas=24, store=store, **at)


if __name__ == "__main__":
    study = types.ModuleType("thermolimit.experiments.toys.coin")
    study.PROFILES, study.TOLERANCE = {"quick": Grid()}, Tolerance()
    study.predict, study.measure = lambda grid: evaluate(fair, chance=grid.chance), measure
    catalogue.load = lambda name: study
    sys.exit(main(["run", "toys/coin", *sys.argv[1:]]))
"""


@pytest.mark.slow
def test_a_study_of_a_script_has_the_same_numbers_with_workers(tmp_path):
    (tmp_path / "script.py").write_text(STUDY)
    found = []
    for folder, options in (("alone", []), ("helped", ["--workers", "2"])):
        asked = [sys.executable, "script.py", "--out", folder, *options]
        done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "theory and simulation agree" in done.stdout
        assert "Traceback" not in done.stderr
        found.append(open_sweep(tmp_path / folder / "quick.sweeps.zarr" / "simulation"))
    xr.testing.assert_identical(*found)
