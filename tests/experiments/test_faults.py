"""What becomes of a sweep that fails at some of its points, or has very many."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
import xarray as xr
from jax import Array
from noisy import BLOCK, GRID, HEAT, One, Profile, called, profile, run, strange

from thermolimit.experiments import (
    Store,
    SweepWarning,
    chunks,
    compare,
    inspection,
    resuming,
    stores,
    sweep,
)
from thermolimit.solvers import Status, evaluate

# not a plain import: the code of a sweep is that of everything its module imports
main = importlib.import_module("thermolimit.__main__").main
AGREES, POINTS_FAILED = 0, 3


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "noisy.zarr"


def fail() -> None:
    raise ArithmeticError("no such state")


def test_fault_17_an_exception_costs_its_own_point_which_is_computed_again(path):
    strange[2.0] = fail
    with pytest.warns(SweepWarning, match="3 of 15 points failed by exceptions, see .*errors.jso"):
        data = run(store=Store(path, block=BLOCK))
    strange.clear()
    failed, whole = data["status"] == Status.ERROR, run()
    assert failed.sum() == 3 and failed.sel(temperature=2.0).all()
    assert np.isnan(data["value"].where(failed, drop=True)).all()
    xr.testing.assert_equal(data.where(~failed), whole.where(~failed))
    for replica, entry in enumerate(stores.Blockwise(path).noted("errors")):
        assert entry["said"] == "ArithmeticError: no such state"
        assert entry["first"] == {"temperature": 2.0, "replica": replica}
        assert (entry["block"], entry["lanes"]) == (1, 1)
    called.clear()
    xr.testing.assert_identical(run(store=path), whole)
    assert called == [2.0] * 3


@jax.jit
def batched(key: Array, temperature: float) -> One:
    return One(jax.random.normal(key) * temperature)


def test_fault_17_an_exception_in_a_batch_costs_its_own_tile(path, monkeypatch):
    def failing(task: Any, lanes: Any, *rest: Any) -> Any:
        return fail() if 2.0 in lanes.numbers["temperature"] else genuine(task, lanes, *rest)

    genuine = resuming.Task._call
    tiles = partial(sweep, batched, **GRID, tile=4)  # lanes 9 to 11 lie in the third of four
    with monkeypatch.context() as patch, pytest.warns(SweepWarning, match="4 of 15 points"):
        patch.setattr(resuming.Task, "_call", failing)
        data = tiles(store=path)
    failed, whole = (data["status"] == Status.ERROR).values.ravel(), tiles()
    assert failed.nonzero()[0].tolist() == [8, 9, 10, 11]
    sound = data["value"].values.ravel()[~failed]
    np.testing.assert_array_equal(sound, whole["value"].values.ravel()[~failed])
    (entry,) = stores.Blockwise(path).noted("errors")
    assert (entry["lanes"], entry["first"]) == (4, {"temperature": 1.5, "replica": 2})
    xr.testing.assert_identical(tiles(store=path), whole)


@pytest.mark.parametrize(
    "what, name, where",
    [
        pytest.param(fail, "ERROR", 2.0, id="17-exception"),
        pytest.param(lambda: One(np.nan), "NOT_FINITE", 2.0, id="18-NaN"),
        pytest.param(lambda: One(-np.inf), "NOT_FINITE", 0.5, id="18-infinity"),
    ],
)
@pytest.mark.filterwarnings("ignore::thermolimit.experiments.SweepWarning")
def test_a_run_with_points_that_failed_exits_with_three(what, name, where, coin, capsys):
    strange[where] = what
    assert main(["run", "toys/noise"]) == POINTS_FAILED
    assert f"/simulation: 3 points {name}" in capsys.readouterr().out
    assert main(["status", "toys/noise"]) == POINTS_FAILED
    assert f"3 {name}" in capsys.readouterr().out
    strange.clear()
    assert main(["run", "toys/noise", f"--redo={name.lower()}"]) == AGREES


def test_fault_17_shapes_that_cannot_be_told_are_an_error_before_a_file_is_made(path):
    strange[0.5] = fail
    with pytest.raises(ArithmeticError, match="no such state"):
        sweep(profile, **GRID, store=path)
    assert not path.exists()


@pytest.mark.parametrize("value", [np.nan, np.inf], ids="18-{}".format)
def test_what_is_not_finite_is_kept_apart_and_enters_no_mean(value, path):
    drawn = iter([value, 1.0, 3.0])
    strange[2.0] = lambda: One(next(drawn))
    data = run(store=path)
    assert data["status"].sel(temperature=2.0).values.tolist() == [3, 1, 1]
    assert (data["status"] == Status.NOT_FINITE).sum() == 1
    assert "1 NOT_FINITE" in str(inspection.summary(path))
    compared = compare(evaluate(line, temperature=HEAT), data).sel(temperature=2.0)
    assert compared["value_simulation"] == 2.0
    assert (compared["replicas"], compared["left_out"]) == (2, 1)
    called.clear()
    run(store=path)
    assert called == []
    strange.clear()
    again = run(store=Store(path, redo=("not_finite",)))
    assert called == [2.0]
    expected = data.where(data["status"] == Status.OK, run())
    xr.testing.assert_equal(again, expected.assign(status=abs(data["status"] * 0 + 1)))


def line(temperature: float) -> One:
    return One(temperature)


class Solved(NamedTuple):
    value: float
    residual: float
    converged: bool


def solve(temperature: float) -> Solved:
    called.append(temperature)
    good = temperature != 2.0 or bool(strange)
    return Solved(temperature, 1e-16 if good else 0.1, good)


def test_fault_19_a_point_that_has_not_converged_says_so_with_its_residual(path):
    solved = partial(sweep, solve, temperature=HEAT)
    data = solved(store=path).sel(temperature=2.0)
    assert data["status"] == Status.NOT_CONVERGED
    assert (data["value"], data["residual"]) == (2.0, 0.1)
    assert "1 NOT_CONVERGED" in str(inspection.summary(path))
    called.clear()
    solved(store=path)
    assert called == []
    strange[0.0] = fail
    again = solved(store=Store(path, redo=("not_converged",)))
    assert called == [2.0]
    assert (again["status"] == Status.OK).all()


class Partial(NamedTuple):
    value: float


ODD: dict[str, tuple[Callable[[], Any], str]] = {
    "30-longer": (
        lambda: Profile(0.0, np.ones(4)),
        r"profile is float64 of shape \(4,\), and was declared float64 of shape \(3,\)",
    ),
    "30-table": (
        lambda: Profile(0.0, np.ones((3, 3))),
        r"profile is float64 of shape \(3, 3\), and was declared float64 of shape \(3,\)",
    ),
    "30-not-a-number": (
        lambda: Profile(np.ones(2), np.ones(3)),  # type: ignore[arg-type]
        r"value is float64 of shape \(2,\), and was declared float64 of shape \(\)",
    ),
    "30-complex": (
        lambda: Profile(1j, np.ones(3)),  # type: ignore[arg-type]
        r"value is complex128 of shape \(\), and was declared float64 of shape \(\)",
    ),
    "30-shorter": (
        lambda: Profile(0.0, np.ones(2)),
        r"profile is float64 of shape \(2,\), and was declared float64 of shape \(3,\)",
    ),
    "30-missing": (lambda: Partial(0.0), "profile"),
    "30-nothing": (lambda: None, "NoneType.*value, profile"),
    "30-a-word": (lambda: Profile("cold", np.ones(3)), "value"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("wrong, said", ODD.values(), ids=ODD.keys())
def test_a_result_that_is_not_as_declared_fails_alone_and_is_named(wrong, said, path):
    strange[1.5] = wrong
    with pytest.warns(SweepWarning, match="3 of 15 points failed by exceptions"):
        data = sweep(profile, **GRID, store=path)
    failed = data["status"] == Status.ERROR
    assert failed.sel(temperature=1.5).all() and failed.sum() == 3
    assert np.isnan(data["profile"].sel(temperature=1.5)).all()
    assert (data["profile"].sel(temperature=[1.0, 2.0]) == 1).all()
    for entry in stores.Blockwise(path).noted("errors"):
        assert re.search(said, entry["said"])
        assert entry["first"]["temperature"] == 1.5


@partial(jax.jit, static_argnames="n_spins")
def vector(key: Array, temperature: float, *, n_spins: int = 2) -> One:
    return One(jax.random.normal(key, (n_spins,)))


def test_fault_30_a_jitted_result_that_is_not_as_declared_is_refused_at_once(path):
    with pytest.raises(TypeError, match=r"value has 1 dimensions, and is declared to have 0: \(\)"):
        sweep(vector, **GRID, store=path)
    assert not path.exists()


def exhausted(rng: np.random.Generator, temperature: float, *, kind: str = "device") -> One:
    if temperature != 1.5:
        return One(temperature)
    if kind == "host":
        raise MemoryError("Unable to allocate 931. GiB")
    raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 999 bytes.")


@pytest.mark.parametrize("kind", ["device", "host"], ids="31-{}".format)
def test_a_lack_of_memory_asks_for_a_smaller_tile(kind, path):
    with pytest.warns(SweepWarning, match="3 of 15 points failed"):
        data = sweep(exhausted, **GRID, kind=kind, tile=32, store=path)
    assert (data["status"].sel(temperature=1.5) == Status.ERROR).all()
    for entry in stores.Blockwise(path).noted("errors"):
        assert "a smaller tile than 32, in a new store, needs less memory" in entry["said"]


def test_fault_37_a_summary_reads_nothing_but_the_status_of_each_block(path, monkeypatch):
    run(store=Store(path, block=1))
    read: list[str] = []
    genuine = chunks.Chunked.read

    def noting(array: chunks.Chunked, index: tuple[int, ...]) -> np.ndarray:
        read.append(array.folder.name)
        return genuine(array, index)

    monkeypatch.setattr(chunks.Chunked, "read", noting)
    inspection.summary(path)
    assert read == ["status"] * 15


LARGE = """
import json, sys
from functools import partial
from typing import NamedTuple
import jax
import numpy as np
from thermolimit.experiments import Store, inspection, sweep

class One(NamedTuple):
    value: float

@jax.jit
def noisy(key: jax.Array, temperature: float, field: float) -> One:
    return One(jax.random.normal(key) * temperature + field)

def peak():  # MB; ru_maxrss would count the process that has started this one
    with open("/proc/self/status") as status:
        return int(status.read().partition("VmHWM:")[2].split()[0]) // 1024

few, many = np.linspace(0, 1, 10), np.linspace(0, 1, 1000)
run = partial(sweep, noisy, seed=1, replicas=1, tile=1024)
run(temperature=few, field=few, store=sys.argv[1] + "/small.zarr")
before = peak()
data = run(temperature=many, field=many, store=Store(sys.argv[1] + "/large.zarr", block=16384))
said = inspection.summary(sys.argv[1] + "/large.zarr")
print(json.dumps([int(data["status"].sum()), said.total, said.missing, before, peak()]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_fault_37_a_million_points_need_little_memory(tmp_path):
    (tmp_path / "large.py").write_text(LARGE)
    asked = [sys.executable, str(tmp_path / "large.py"), str(tmp_path)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    good, total, missing, before, peak = json.loads(done.stdout)
    assert (good, total, missing) == (10**6, 10**6, 0)
    assert peak < 500
    assert peak - before < 200
