"""Processes that sweep are killed at any moment, and nothing that they finished is lost."""

from __future__ import annotations

import importlib
import itertools
import json
import multiprocessing
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import xarray as xr

from thermolimit.experiments import (
    Locked,
    Store,
    chunks,
    inspection,
    long_runs,
    open_sweep,
    stores,
    sweep,
)
from thermolimit.solvers import Status

TOYS = '''
"""Simulations of which nothing but the numbers matters."""

from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thermolimit.simulations import recorded
from thermolimit.simulations.curie_weiss import relax


class Measured(NamedTuple):
    level: Array | float
    profile: Annotated[Array | np.ndarray, "layer"]


@partial(jax.jit, static_argnames="n_spins")
def jitted(key: Array, temperature: Array, *, n_spins: int) -> Measured:
    noise = jax.random.normal(key, (n_spins,))
    return Measured(noise.sum() * temperature, noise)


def serial(rng: np.random.Generator, temperature: float, *, n_spins: int) -> Measured:
    noise = rng.normal(size=n_spins)
    return Measured(noise.sum() * temperature, noise)


class Walker(NamedTuple):
    key: Array
    step: Array
    place: Array


class Place(NamedTuple):
    place: Array


def init(key: Array, temperature: Array, field: Array, *, n_spins: int) -> Walker:
    return Walker(key, jnp.zeros((), int), temperature * jnp.ones(n_spins) + field)


def advance(walker: Walker, until: Array) -> Walker:
    stride = jax.random.normal(jax.random.fold_in(walker.key, until), walker.place.shape)
    return Walker(walker.key, until, walker.place + stride)


def observe(walker: Walker) -> Place:
    return Place(walker.place.sum())


walk = recorded(init, advance, observe)
'''

CHILDREN = '''
"""What a process does that is going to be killed."""

import os
import pkgutil
import signal
import sys
import time

import crash_toys
from thermolimit.experiments import Store, long_runs, sweep

FILES = ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree")


def go(connection, toy, axes, store, slow=None, die=None, steps=None):
    """Sweep; slowly at one place, up to the file operation ``die``, keeping a log of steps."""
    if slow is None:
        connection.send("begun")
    else:
        slow_down(connection, *slow)
    if steps is not None:
        long_runs.SECONDS = 0.0
        count_steps(steps)
    if die is not None:
        die_at(die, str(store["path"].parent))
    sweep(getattr(crash_toys, toy), seed=3, store=Store(**store), **axes)


def slow_down(connection, place, seconds):
    """Say at its first call that it begins."""
    owner, _, name = place.rpartition(".")
    call, calls = pkgutil.resolve_name(place.replace("/", ".")), []

    def slow(*args, **kwargs):
        if not calls:
            connection.send("begun")
        calls.append(name)
        time.sleep(seconds)
        return call(*args, **kwargs)

    setattr(pkgutil.resolve_name(owner), name, slow)


def count_steps(log):
    programs = long_runs._programs

    def counted(*args):
        begin, go = programs(*args)

        def noted(state, until):
            with open(log, "a") as file:
                file.write(f"{until}\\n")
            return go(state, until)

        return begin, noted

    long_runs._programs = counted


def die_at(last, folder):
    seen = []

    def watch(event, args):
        if event in FILES and str(args[0]).startswith(folder) and not str(args[0]).endswith("log"):
            if len(seen) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            seen.append(event)

    sys.addaudithook(watch)
'''

WRITE = "thermolimit.experiments.chunks.Chunked.write"
GRID = {"temperature": [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5], "n_spins": [2, 5], "replicas": 9}
SMALL = {"temperature": [0.5, 1.0, 1.5], "n_spins": [2, 5], "replicas": 2}
LARGE = {"temperature": [3.0, 0.5, 1.0, 1.5], "n_spins": [5, 3, 2], "replicas": 3}
LONG = {"temperature": [0.8, 1.2], "field": 0.1, "n_spins": 10, "replicas": 10}
TILES = 2  # of LONG, in one block of 20 or in two of 10
BLOCK = 4

Begin = Callable[..., "Child"]


class Child:
    """A process that sweeps."""

    def __init__(self, target: Callable[..., None], toy: str, axes: dict, path: Path, **settings):
        names = {"slow", "die", "steps"} & settings.keys()
        told = {name: settings.pop(name) for name in names}
        context = multiprocessing.get_context("forkserver")
        self.connection, other = context.Pipe()
        store = {"path": path, "block": BLOCK, **settings}
        self.process = context.Process(target=target, args=(other, toy, axes, store), kwargs=told)
        self.process.start()
        other.close()

    def begun(self) -> bool:
        """Wait until it has begun; false if it ended before."""
        try:
            assert self.connection.poll(60)
            return self.connection.recv() == "begun"
        except EOFError:
            return False

    def killed_after(self, seconds: float) -> bool:
        """Kill it that long after it began, unless it has ended."""
        if self.begun():
            self.process.join(seconds)
        return self.killed()

    def killed(self) -> bool:
        """Kill it, unless it has ended."""
        self.process.kill()
        return self.end() == -signal.SIGKILL

    def end(self) -> int:
        """Wait for it; its exit code."""
        self.process.join(60)
        code = self.process.exitcode
        self.connection.close()
        self.process.close()
        assert code in (0, -signal.SIGKILL)
        return code


@pytest.fixture(scope="module")
def toys(tmp_path_factory) -> Iterator[ModuleType]:
    folder = tmp_path_factory.mktemp("modules")
    (folder / "crash_toys.py").write_text(TOYS)
    (folder / "crash_children.py").write_text(CHILDREN)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("crash_toys")
    sys.path.remove(str(folder))
    for name in ("crash_toys", "crash_children"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def begin(toys) -> Begin:
    """Start a child; a server that has imported everything forks it at once."""
    context = multiprocessing.get_context("forkserver")
    needed = ("pytest", "thermolimit.experiments.sweeps", "thermolimit.simulations.curie_weiss")
    context.set_forkserver_preload(list(needed))
    go = importlib.import_module("crash_children").go
    return lambda toy, axes, path, **settings: Child(go, toy, axes, path, **settings)


def in_memory(toys: ModuleType, toy: str, axes: dict[str, Any]) -> xr.Dataset:
    return sweep(getattr(toys, toy), seed=3, **axes)


def resumed(toys: ModuleType, toy: str, axes: dict, path: Path, **settings: Any) -> xr.Dataset:
    store = Store(path, block=BLOCK, **settings)
    return sweep(getattr(toys, toy), seed=3, store=store, **axes)


def check_readable(path: Path, expected: xr.Dataset) -> int:
    """Whatever is said to be done is there, and right; returns how much."""
    assert inspection.damage(path) == []
    found = open_sweep(path)
    done = found["status"] == Status.OK
    assert set(np.unique(found["status"])) <= {Status.MISSING, Status.OK}
    xr.testing.assert_identical(found.where(done), expected.where(done))
    with xr.open_zarr(path, consolidated=False, chunks=None) as stored:
        stored.load()
    return int(done.sum())


def chunk_files(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    inside = {str(file.relative_to(path)): file for file in files}
    return {name: file.read_bytes() for name, file in inside.items() if "/c/" in f"/{name}"}


def check_complete(path: Path, found: xr.Dataset, expected: xr.Dataset) -> None:
    """Nothing tells a store that was interrupted from one that was not."""
    xr.testing.assert_identical(found, expected)
    inspection.clean(path)
    assert inspection.strays(path) == []
    assert inspection.damage(path) == []
    assert {item.name for item in path.parent.iterdir()} <= {path.name, "undisturbed.zarr", "log"}
    assert not list(path.rglob("*.partial"))


either = pytest.mark.parametrize("toy", ["jitted", "serial"])


@either
@pytest.mark.parametrize("kills", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_a_sweep_survives_kills_at_random_moments(toys, begin, tmp_path, toy, kills):
    expected, moments = in_memory(toys, toy, GRID), random.Random(kills)
    survived = 0
    for attempt in itertools.count():
        path = tmp_path / str(attempt) / "sweep.zarr"
        path.parent.mkdir()
        done = 0
        while survived < kills:
            child = begin(toy, GRID, path, slow=(WRITE, 0.003))
            if not child.killed_after(moments.uniform(0, 0.3)):
                break
            survived += 1
            before, done = done, check_readable(path, expected)
            assert done >= before
        check_complete(path, resumed(toys, toy, GRID, path), expected)
        if survived == kills:
            break


@pytest.mark.parametrize(
    "toy, stride",
    [
        ("serial", 29),
        pytest.param("serial", 1, marks=pytest.mark.slow),
        pytest.param("jitted", 5, marks=pytest.mark.slow),
    ],
)
def test_a_sweep_survives_a_kill_before_any_operation_on_files(toys, begin, tmp_path, toy, stride):
    expected = in_memory(toys, toy, SMALL)
    for last in itertools.count(5, stride):
        path = tmp_path / str(last) / "sweep.zarr"
        path.parent.mkdir()
        if begin(toy, SMALL, path, die=last).end() == 0:
            break
        if path.exists():
            check_readable(path, expected)
        check_complete(path, resumed(toys, toy, SMALL, path), expected)
    assert last > 50


@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_a_store_is_whole_or_absent_when_its_creation_is_killed(toys, begin, tmp_path, kills):
    path, moments = tmp_path / "sweep.zarr", random.Random(kills)
    left = 0
    for _ in range(kills):
        slow = ("thermolimit.experiments.stores.new_array", 0.02)
        assert begin("serial", SMALL, path, slow=slow).killed_after(moments.uniform(0, 0.07))
        if path.exists():
            assert check_readable(path, in_memory(toys, "serial", SMALL)) == 0
            shutil.rmtree(path)
        left += bool(stores.unfinished_stores(path))
    assert left > 0
    found = resumed(toys, "serial", SMALL, path)
    assert stores.unfinished_stores(path) == []
    check_complete(path, found, in_memory(toys, "serial", SMALL))


@pytest.mark.parametrize(
    "stride",
    [
        43,
        pytest.param(
            1,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_an_extension_survives_a_kill_before_any_operation_on_files(
    toys, begin, tmp_path, extendable, stride
):
    large, full = in_memory(toys, "serial", LARGE), when_written(extendable)
    for last in itertools.count(0, stride):
        path = tmp_path / str(last) / "sweep.zarr"
        shutil.copytree(extendable, path)
        if begin("serial", LARGE, path, die=last, extend=True).end() == 0:
            break
        check_complete(path, resumed(toys, "serial", LARGE, path, extend=True), large)
        assert {when_written(path)[name] for name in UNCUT} == {full[name] for name in UNCUT}
    assert last > 50


@pytest.mark.slow
def test_a_killed_extension_can_be_taken_back(toys, begin, tmp_path, extendable):
    small = in_memory(toys, "serial", SMALL)
    identity = stores.read_identity(extendable)
    for last in itertools.count():
        path = tmp_path / str(last) / "sweep.zarr"
        shutil.copytree(extendable, path)
        code = begin("serial", LARGE, path, die=last, extend=True).end()
        if code == 0 or stores.read_identity(path) != identity:
            break
        check_complete(path, resumed(toys, "serial", SMALL, path), small)
    assert last > 50


def test_a_coordinate_that_lost_its_metadata_is_written_again(toys, tmp_path, extendable):
    path = tmp_path / "sweep.zarr"
    shutil.copytree(extendable, path)
    (path / "temperature" / "zarr.json").unlink()
    found = resumed(toys, "serial", SMALL, path)
    check_complete(path, found, in_memory(toys, "serial", SMALL))


@pytest.fixture(scope="module")
def extendable(toys, tmp_path_factory) -> Path:
    """A complete store; ``UNCUT`` are chunks of it that a larger grid does not touch."""
    path = tmp_path_factory.mktemp("extendable") / "sweep.zarr"
    resumed(toys, "serial", SMALL, path)
    return path


UNCUT = ("level/c/0/0/0", "profile/c/1/0/0/0", "status/c/0/0/0")


def when_written(path: Path) -> dict[str, int]:
    return {name: (path / name).stat().st_mtime_ns for name in chunk_files(path)}


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_a_killed_extension_can_be_killed_again(toys, begin, tmp_path, kills):
    path, moments = tmp_path / "sweep.zarr", random.Random(kills)
    resumed(toys, "serial", SMALL, path)
    slow = ("thermolimit.experiments.stores._edit", 0.05)
    for _ in range(kills):
        child = begin("serial", LARGE, path, slow=slow, extend=True)
        assert child.killed_after(moments.uniform(0, 0.19))
    found = resumed(toys, "serial", LARGE, path, extend=True)
    check_complete(path, found, in_memory(toys, "serial", LARGE))


@pytest.mark.parametrize(
    "kills, block",
    [
        (2, 20),
        pytest.param(30, 20, marks=pytest.mark.slow),
        pytest.param(10, 10, marks=pytest.mark.slow),
    ],
)
def test_a_long_run_goes_on_from_its_last_checkpoint(toys, begin, tmp_path, kills, block):
    path, log, moments = tmp_path / "sweep.zarr", tmp_path / "log", random.Random(kills)
    axes = LONG | {"step": list(range(0, 4 * max(kills, 9), 4))}
    settings = {"block": block, "steps": log}
    slow = ("thermolimit.experiments.long_runs._save", 0.02)
    expected = in_memory(toys, "relax", axes)
    for _ in range(kills):
        child = begin("relax", axes, path, slow=slow, **settings)
        assert child.killed_after(moments.uniform(0, 0.05))
        check_readable(path, expected)
    assert begin("relax", axes, path, **settings).end() == 0
    check_complete(path, resumed(toys, "relax", axes, path), expected)
    needed = TILES * len(axes["step"])
    assert needed <= len(log.read_text().split()) <= needed + kills


@pytest.mark.slow
def test_a_long_run_survives_a_kill_before_any_operation_on_files(toys, begin, tmp_path):
    axes, settings = LONG | {"step": [0, 3, 7]}, {"block": 20}
    expected, empty = in_memory(toys, "walk", axes), tmp_path / "empty.zarr"
    assert begin("walk", axes, empty, slow=(WRITE, 5), **settings).killed_after(0)
    assert check_readable(empty, expected) == 0
    for last in itertools.count(0, 3):
        path = tmp_path / str(last) / "sweep.zarr"
        shutil.copytree(empty, path)
        settings["steps"] = path.parent / "log"
        if begin("walk", axes, path, die=last, **settings).end() == 0:
            break
        check_readable(path, expected)
        assert begin("walk", axes, path, **settings).end() == 0
        check_complete(path, resumed(toys, "walk", axes, path), expected)
        assert len(settings["steps"].read_text().split()) <= TILES * len(axes["step"]) + 1
    assert last > 30


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_shards_make_the_store_of_one_process_though_one_of_them_is_killed(
    toys, begin, tmp_path, rounds
):
    undisturbed, moments = tmp_path / "undisturbed.zarr", random.Random(rounds)
    expected = resumed(toys, "serial", GRID, undisturbed)
    for number in range(rounds):
        path = tmp_path / str(number) / "sweep.zarr"
        path.parent.mkdir()
        shards = [begin("serial", GRID, path, slow=(WRITE, 0.02), shard=(i, 3)) for i in range(3)]
        assert shards[number % 3].killed_after(moments.uniform(0, 0.2))
        assert [child.end() for i, child in enumerate(shards) if i != number % 3] == [0, 0]
        check_readable(path, expected)
        assert begin("serial", GRID, path, shard=(number % 3, 3)).end() == 0
        check_complete(path, open_sweep(path), expected)
        assert chunk_files(path) == chunk_files(undisturbed)


def test_a_process_that_is_slow_to_make_a_store_takes_that_of_another(toys, tmp_path, monkeypatch):
    path, new_array = tmp_path / "sweep.zarr", stores.new_array

    def overtaken(*args):
        monkeypatch.setattr(stores, "new_array", new_array)
        resumed(toys, "serial", SMALL, path)
        new_array(*args)

    monkeypatch.setattr(stores, "new_array", overtaken)
    found = resumed(toys, "serial", SMALL, path)
    assert stores.new_array is new_array
    check_complete(path, found, in_memory(toys, "serial", SMALL))


def test_nobody_cleans_up_while_another_process_writes(toys, begin, tmp_path):
    path = tmp_path / "sweep.zarr"
    child = begin("serial", GRID, path, slow=(WRITE, 0.1))
    assert child.begun()
    with pytest.raises(Locked, match="being written by process"):
        inspection.clean(path)
    with pytest.raises(Locked, match="being written by process"):
        resumed(toys, "serial", GRID, path)
    assert child.killed()
    check_complete(path, resumed(toys, "serial", GRID, path), in_memory(toys, "serial", GRID))


def test_a_line_of_a_journal_that_was_cut_short_costs_no_other(toys, tmp_path):
    path = tmp_path / "sweep.zarr"
    resumed(toys, "serial", SMALL, path)
    journal = path / "status" / "runs.jsonl"
    journal.write_text(journal.read_text()[:-30])
    resumed(toys, "serial", SMALL, path)
    last = json.loads(journal.read_text().splitlines()[-1])
    assert stores.Blockwise(path).noted("runs") == [last]


def test_checkpoints_of_a_block_go_though_a_run_ends_between_its_last_writes(
    toys, tmp_path, monkeypatch
):
    path, commit = tmp_path / "sweep.zarr", stores.Blockwise.commit

    def killed(*args):
        commit(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(long_runs, "SECONDS", 0.0)
    monkeypatch.setattr(stores.Blockwise, "commit", killed)
    axes = LONG | {"step": [0, 3]}
    with pytest.raises(KeyboardInterrupt):
        resumed(toys, "relax", axes, path)
    monkeypatch.undo()
    resumed(toys, "relax", axes, path)
    inspection.clean(path)
    assert not list(path.rglob("*.npz"))


def test_a_store_whose_extension_was_interrupted_says_so(toys, tmp_path, monkeypatch, extendable):
    path = tmp_path / "sweep.zarr"
    shutil.copytree(extendable, path)

    edit, edited = stores._edit, []

    def killed(folder, change):
        if edited:
            raise KeyboardInterrupt
        edited.append(folder)
        edit(folder, change)

    monkeypatch.setattr(stores, "_edit", killed)
    with pytest.raises(KeyboardInterrupt):
        resumed(toys, "serial", LARGE, path, extend=True)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="is being extended, or this was interrupted"):
        open_sweep(path)
    assert resumed(toys, "serial", LARGE, path, extend=True).equals(
        in_memory(toys, "serial", LARGE)
    )


def test_a_file_is_the_old_one_until_all_of_the_new_one_is_written(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted(file):
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chunks.replace(path, interrupted)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]
