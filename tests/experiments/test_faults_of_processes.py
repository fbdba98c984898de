"""What becomes of a sweep that is stopped, locked out, or runs where nobody looks."""

from __future__ import annotations

import importlib
import io
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from noisy import BLOCK, GRID, HEAT, One, called, run, strange

from thermolimit.experiments import (
    Locked,
    Store,
    inspection,
    locks,
    open_sweep,
    resuming,
    sweep,
    workers,
)
from thermolimit.solvers import Status, progress

# not a plain import: the code of a sweep is that of everything its module imports
main = importlib.import_module("thermolimit.__main__").main
AGREES, BAD_REQUEST, INTERRUPTED, TERMINATED = 0, 2, 130, 143


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "noisy.zarr"


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", HEAT, ids="03-at-{}".format)
def test_nothing_that_is_written_is_lost_by_an_interruption(where, path):
    strange[where] = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(store=Store(path, block=BLOCK))
    strange.clear()
    whole, kept = run(), BLOCK * (HEAT.index(where) // 2)
    there = open_sweep(path)
    done = there["status"] == Status.OK
    assert done.sum() == kept
    xr.testing.assert_equal(there.where(done), whole.where(done))
    assert inspection.summary(path).running == inspection.strays(path) == []
    called.clear()
    xr.testing.assert_identical(run(store=path), whole)
    assert len(called) == 15 - kept


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(1.5, id="03-before-a-block"),
        pytest.param(2.0, id="03-within-a-block"),
    ],
)
def test_an_interrupted_sweep_says_how_much_of_it_is_kept(where, path, capsys):
    strange[where] = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(store=Store(path, block=BLOCK))
    assert f"{path}: 6 of 15 done" in capsys.readouterr().err


LAW = """
import time
from typing import NamedTuple
import numpy as np

class One(NamedTuple):
    value: float

stuck = True

def noisy(rng: np.random.Generator, temperature: float) -> One:
    if stuck and temperature == 40.0:
        print("stuck", flush=True)
        time.sleep(60)
    return One(rng.normal(temperature))
"""
STOPPED = """
import signal, sys, types
from dataclasses import dataclass
import numpy as np
import law
from thermolimit.__main__ import main
from thermolimit.experiments import catalogue, open_sweep, sweep

@dataclass(frozen=True)
class Grid:
    seed: int = 1

def measure(grid, store=None):
    return sweep(law.noisy, seed=1, replicas=1, temperature=np.arange(48.0), store=store)

study = types.ModuleType("thermolimit.experiments.toys.noise", "Noise.")
study.PROFILES, study.measure = {"quick": Grid()}, measure
catalogue.load = lambda name: study
# a shell that runs the tests in the background has its children ignore it
signal.signal(signal.SIGINT, signal.default_int_handler)
asked = ["toys/noise", "--out", sys.argv[1]]
print(main(["run", *asked]), flush=True)
law.stuck = False
main(["status", *asked])
print(main(["run", *asked]), main(["verify", *asked]))
print(open_sweep(sys.argv[1] + "/quick.sweeps.zarr/simulation").identical(measure(Grid())))
"""


@pytest.mark.parametrize(
    "sent, code",
    [
        pytest.param(signal.SIGINT, INTERRUPTED, id="03-SIGINT"),
        pytest.param(signal.SIGTERM, TERMINATED, id="04-SIGTERM"),
    ],
)
def test_a_run_that_is_stopped_says_how_to_go_on_and_goes_on(sent, code, tmp_path):
    (tmp_path / "law.py").write_text(LAW)
    (tmp_path / "stopped.py").write_text(STOPPED)
    child = subprocess.Popen(
        [sys.executable, "stopped.py", "out"],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "stuck\n"
        child.send_signal(sent)
        output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert "Traceback" not in errors
    assert re.search(r"out/quick.sweeps.zarr/simulation: \d+ of 48 done\n", errors)
    assert "go on with\nthermolimit run toys/noise --out out\n" in errors
    first, status, *_, then, same = output.splitlines()
    assert first == str(code)
    assert status.endswith("simulation: 32 of 48 done, 16 missing, 3 blocks")
    assert (then, same) == (f"{AGREES} {AGREES}", "True")


COMPILED = """
import signal, sys
from thermolimit.experiments import open_sweep, sweep
from thermolimit.simulations.hebbian import hopfield

def run(sweeps, store=None):
    return sweep(hopfield.simulate, seed=1, replicas=1, engine="numba", n_spins=100,
                 pattern_load=0.05, temperature=0.3, sweeps=sweeps, burn_in=0, store=store)

def stop(*_):
    raise KeyboardInterrupt

run(1)  # compiles
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, stop)
print("running", flush=True)
try:
    run(1_000_000, sys.argv[1] if len(sys.argv) > 1 else None)  # seconds
except KeyboardInterrupt:
    print("stopped", flush=True)
if len(sys.argv) > 1:
    print(open_sweep(sys.argv[1])["status"].values.tolist())
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("store", [[], ["kept"]], ids=["in memory", "stored"])
def test_an_interrupt_of_compiled_code_is_no_failure_of_a_point(store, sent, tmp_path):
    (tmp_path / "compiled.py").write_text(COMPILED)
    child = subprocess.Popen(
        [sys.executable, "compiled.py", *store],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "running\n"
        time.sleep(0.5)  # in the midst of the one point
        child.send_signal(sent)
        output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    assert output.splitlines() == ["stopped", *(["[0]"] if store else [])]  # nothing was computed


OWNER = """
import sys, time
from pathlib import Path
from thermolimit.experiments import locks
if sys.argv[2] == "careless":
    class Careless:
        def __init__(self, file): Path(file).touch()
        def acquire(self, timeout): pass
        def release(self): pass
    locks.FileLock = Careless
with locks.locked(Path(sys.argv[1]) / "status" / "locks", (0, 1)):
    print("locked", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process(path: Path, kind: str = "careful") -> Iterator[subprocess.Popen]:
    """One that writes, as it seems, until it is killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path), kind], text=True, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "locked\n"
        try:
            yield child
        finally:
            child.kill()


def test_fault_11_a_second_process_is_refused_with_the_name_of_the_first(coin, capsys):
    run(store=coin)
    called.clear()
    with another_process(coin) as owner:
        said = f"{coin} is being written by process {owner.pid} on {socket.gethostname()} since"
        with pytest.raises(Locked, match=said):
            run(store=coin)
        assert main(["run", "toys/noise"]) == BAD_REQUEST
        assert said in capsys.readouterr().err
        assert main(["verify", "--clean", str(coin)]) == BAD_REQUEST
        assert main(["status", str(coin)]) == AGREES
        assert f"being written by process {owner.pid}" in capsys.readouterr().out
        assert open_sweep(coin)["status"].size == 15
    assert called == []


def test_fault_12_the_lock_of_a_killed_process_vanishes_with_it(path):
    run(store=path)
    with another_process(path) as owner:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert (path / "status" / "locks" / "0-of-1.json").exists()
        assert inspection.summary(path).running == []
        run(store=path)


class Careless:
    """A kernel lock of a file system that gives it to everybody."""

    def __init__(self, file: Path):
        file.touch()

    def acquire(self, timeout: float) -> None:
        pass

    def release(self) -> None:
        pass


@pytest.mark.parametrize("shard", [(0, 1), (0, 2), (1, 3)], ids="12-{0[0]}-of-{0[1]}".format)
def test_a_lock_without_the_kernel_is_given_back(shard, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "FileLock", Careless)
    folder = tmp_path / "noisy.zarr" / "status" / "locks"
    folder.parent.mkdir(parents=True)
    for _ in range(2):
        with locks.locked(folder, shard):
            assert len(list(folder.glob("*.softlock"))) == 1
            assert locks.owners(folder) != []
        assert list(folder.glob("*.softlock")) == []


@pytest.mark.parametrize(
    "mine, others",
    [
        pytest.param((0, 1), (0, 1), id="12-whole"),
        pytest.param((0, 1), (1, 2), id="12-whole-and-shard"),
        pytest.param((1, 2), (0, 1), id="12-shard-and-whole"),
    ],
)
def test_a_lock_without_the_kernel_is_given_once(mine, others, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "FileLock", Careless)
    folder = tmp_path / "noisy.zarr" / "status" / "locks"
    folder.parent.mkdir(parents=True)
    with locks.locked(folder, others), pytest.raises(Locked, match=f"process {os.getpid()} on"):
        with locks.locked(folder, mine):
            pass


def test_fault_12_a_lock_without_the_kernel_holds_between_processes(path, monkeypatch):
    run(store=path)
    monkeypatch.setattr(locks, "FileLock", Careless)
    with another_process(path, "careless") as owner, pytest.raises(Locked, match=f"{owner.pid}"):
        run(store=path)


def test_fault_12_a_lock_without_the_kernel_does_not_outlive_its_process(path, monkeypatch):
    run(store=path)
    monkeypatch.setattr(locks, "FileLock", Careless)
    with another_process(path, "careless") as owner:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert list((path / "status" / "locks").glob("*.softlock")) != []
        run(store=path)
    assert list((path / "status" / "locks").glob("*.softlock")) == []


def test_fault_11_the_process_of_another_user_is_named(path, monkeypatch):
    def refused(*_: int) -> None:
        raise PermissionError

    run(store=path)
    with another_process(path) as owner, monkeypatch.context() as patch:
        patch.setattr(os, "kill", refused)
        with pytest.raises(Locked, match=f"process {owner.pid} on"):
            run(store=path)


@pytest.mark.parametrize("ahead", [1e6, -1e6], ids=["34-was-ahead", "34-was-behind"])
def test_a_clock_that_jumps_changes_nothing(ahead, path, monkeypatch):
    genuine, whole = time.time, run()
    strange[1.5] = interrupt
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(time, "time", lambda: genuine() + ahead)
        run(store=Store(path, block=BLOCK))
    strange.clear()
    said = inspection.summary(path)
    assert (said.rate > 0) == (ahead < 0)
    assert ("left at this rate" in str(said)) == (ahead < 0)
    falling = itertools.count(2e9, -1000.0)
    monkeypatch.setattr(time, "time", lambda: next(falling))
    xr.testing.assert_identical(run(store=path), whole)
    assert inspection.summary(path).missing == 0


def test_fault_34_another_name_of_the_host_changes_nothing(path, monkeypatch):
    whole = run(store=path)
    with another_process(path) as owner:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    xr.testing.assert_identical(run(store=path), whole)
    assert inspection.summary(path).running == []


@pytest.mark.parametrize("terminal", [False, True], ids=["35-no-terminal", "35-terminal"])
def test_progress_is_shown_to_somebody_who_watches(terminal, path, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(shown, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN", -1.0)
    run(store=path)
    assert ("sweep: 3/15" in shown.getvalue()) == terminal
    assert terminal or shown.getvalue() == ""


def test_fault_35_nobody_needs_to_listen(path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert run(store=path)["status"].all()


def test_fault_35_the_status_is_told_in_any_locale(path):
    run(store=path)
    asked = [sys.executable, "-m", "thermolimit", "status", str(path)]
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = subprocess.run(asked, capture_output=True, text=True, env=os.environ | plain)
    assert (done.returncode, done.stderr) == (AGREES, "")
    assert "15 of 15 done, 0 missing" in done.stdout


def test_fault_35_a_path_that_the_locale_cannot_spell_has_a_status(tmp_path, monkeypatch):
    run(store=tmp_path / "Glühwein.zarr")
    told = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", told)
    assert main(["status", str(tmp_path / "Glühwein.zarr")]) == AGREES
    assert b"15 of 15 done" in told.buffer.getvalue()


@pytest.mark.slow
def test_fault_35_a_reader_that_has_seen_enough_of_a_status_makes_no_noise(path):
    run(store=path)
    reader, writer = os.pipe()
    os.close(reader)
    asked = [sys.executable, "-m", "thermolimit", "status", str(path)]
    done = subprocess.run(asked, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (AGREES, "")


def of_jax(rng: np.random.Generator, temperature: float) -> One:
    return One(jnp.asarray(rng.normal(temperature)))


def test_fault_36_a_worker_sends_numpy_and_37_gets_no_more_than_it_can_do(path, monkeypatch):
    cloudpickle = pytest.importorskip("cloudpickle")
    distributed = pytest.importorskip("distributed")
    here, kept = sys.modules[__name__], []
    genuine = resuming._keep

    def keep(*arguments: Any) -> None:
        kept.append(arguments[-1])
        genuine(*arguments)

    monkeypatch.setattr(resuming, "_keep", keep)
    cloudpickle.register_pickle_by_value(here)
    try:
        options = {"threads_per_worker": 1, "dashboard_address": ":0"}
        with (
            distributed.LocalCluster(n_workers=1, **options) as local,
            local.get_client() as client,
        ):
            data = sweep(of_jax, **GRID, store=Store(path, block=BLOCK, client=client))
            begun, ended = 0, 0

            def jobs() -> Iterator[tuple[int, int]]:
                nonlocal begun
                for begun in range(1, 41):
                    assert begun - ended <= workers.WINDOW + 1
                    yield begun, -begun

            for job, result in workers.on_cluster(client, abs, jobs()):
                ended += 1
                assert result == job
            assert ended == 40
    finally:
        cloudpickle.unregister_pickle_by_value(here)
    kinds = {type(leaf) for found in kept for leaf in jax.tree.leaves(tuple(found[:2]))}
    assert kinds == {np.ndarray}
    assert len(kept) == 3
    xr.testing.assert_identical(data, sweep(of_jax, **GRID))


SECOND = """
import socket
from contextlib import suppress
from thermolimit.experiments.workers import cluster

if __name__ == "__main__":
    with socket.socket() as first:
        with suppress(OSError):
            first.bind(("", 8787))
            first.listen()
        with cluster(1, None) as client:
            print(sum(client.nthreads().values()))
"""


@pytest.mark.slow
def test_fault_36_a_second_cluster_on_one_machine_makes_no_noise(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "second.py").write_text(SECOND)
    asked = [sys.executable, str(tmp_path / "second.py")]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
