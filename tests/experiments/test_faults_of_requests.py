"""What becomes of a sweep when something else is asked of its store, or something impossible."""

from __future__ import annotations

import importlib
import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from math import inf, nan
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax import Array

from thermolimit.experiments import (
    Store,
    SweepMismatch,
    SweepWarning,
    open_sweep,
    resuming,
    stores,
    sweep,
)

# not a plain import: the code of a sweep is that of everything its module imports
main = importlib.import_module("thermolimit.__main__").main
BAD_REQUEST = 2
Heat = Annotated[Array | float, (0.0, inf)]


class One(NamedTuple):
    value: Annotated[Array | float, (-inf, inf)]


called: list[float] = []


def noisy(rng: np.random.Generator, temperature: Heat, field: float = 0.0, on: bool = True) -> One:
    called.append(temperature)
    return One(rng.normal(temperature))


@partial(jax.jit, static_argnames="n_spins")
def batched(key: Array, temperature: Heat, field: float = 0.0, *, n_spins: int = 2) -> One:
    return One(jax.random.normal(key, (n_spins,)).sum() * temperature)


@partial(jax.jit, static_argnames="n_spins")
def otherwise(key: Array, temperature: Heat, field: float = 0.0, *, n_spins: int = 2) -> One:
    return One(jax.random.normal(key, (n_spins,)).sum() * temperature)


def formula(temperature: Heat, field: float = 0.0, *, n_spins: int = 2) -> One:
    return One(temperature)


HEAT = [0.5, 1.0, 1.5, 2.0, 2.5]
GRID: dict[str, Any] = {"seed": 3, "replicas": 3, "temperature": HEAT}
BLOCK = 6  # two temperatures; the last block has one
run = partial(sweep, noisy, **GRID)


@pytest.fixture(autouse=True)
def forget_calls() -> None:
    called.clear()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Stores of a function that is called one by one, and of one that is jitted."""
    folder = tmp_path_factory.mktemp("finished")
    run(store=Store(folder / "noisy.zarr", block=BLOCK))
    sweep(batched, **GRID, store=folder / "batched.zarr")
    return folder


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A copy that may be spoiled."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder."""
    return {
        str(file.relative_to(folder)): file.read_bytes() if file.is_file() else None
        for file in sorted(folder.rglob("*"))
    }


OTHERS = {
    "21-seed": ({"seed": 4}, "seed is 3 there, and 4 was asked for"),
    "21-precision": ({"precision": 64}, "precision is 32 there, and 64"),
    "21-tile": ({"tile": 32}, "tile is 16 there, and 32"),
    "21-constant": ({"field": 0.1}, "field is 0 there, and 0.1"),
    "21-shape": ({"n_spins": 3}, "n_spins is 2 there, and 3"),
    "21-value": ({"temperature": [*HEAT[:4], 3.0]}, r"temperature is 5 values .* 2.0, 3.0\)"),
    "21-shorter": ({"temperature": HEAT[:4]}, "temperature is 5 values .* and 4 values"),
    "21-fewer": ({"replicas": 2}, "replicas is 3 there, and 2"),
    "21-new-axis": ({"field": [0.0, 0.1]}, "dims is .* was asked for"),
    "21-no-axis": ({"temperature": 0.5}, "dims is .* was asked for"),
    "21-function": ({"simulate": otherwise}, "function is .*batched.*otherwise"),
    "21-formula": ({"simulate": formula, "seed": None, "replicas": None}, "function is .*formula"),
}


@pytest.mark.parametrize("change, said", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("extend", [False, True], ids=["as-it-is", "extend"])
def test_another_sweep_is_refused_and_the_store_left_alone(change, said, extend, folder):
    path, before = folder / "batched.zarr", contents(folder)
    asked = {"simulate": batched, **GRID} | change
    with pytest.raises(SweepMismatch, match=said) as caught:
        sweep(asked.pop("simulate"), **asked, store=Store(path, extend=extend))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "change", [{"temperature": [*HEAT, 3.0]}, {"replicas": 4}], ids="21-{}".format
)
def test_what_could_be_an_extension_is_refused_with_a_hint(change, folder):
    before = contents(folder)
    with pytest.raises(SweepMismatch, match=r"extend=True, --extend"):
        run(**change, store=folder / "noisy.zarr")
    assert contents(folder) == before


def test_fault_21_a_store_of_another_format_is_refused(folder):
    metadata = folder / "noisy.zarr" / "zarr.json"
    metadata.write_text(metadata.read_text().replace('"format": 1', '"format": 0'))
    before = contents(folder)
    with pytest.raises(SweepMismatch, match="format is 0 there, and 1 was asked for"):
        run(store=folder / "noisy.zarr")
    assert contents(folder) == before


LAW = """
from typing import NamedTuple
import numpy as np
from .rates import rate

class One(NamedTuple):
    value: float

def noisy(rng: np.random.Generator, temperature: float) -> One:
    return One(rng.normal() * rate)

def seldom():
    from .extra import more
    return more
"""


numbers = itertools.count()  # so that no package was imported before


class Models:
    """A package of the user, which changes."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        texts = {"__init__": "", "law": LAW, "rates": "rate = 1.0\n", "extra": "more = 1\n"}
        for name, text in texts.items():
            (folder / f"{name}.py").write_text(text)
        self.law = importlib.import_module(f"{folder.name}.law")

    def change(self, name: str) -> None:
        with (self.folder / f"{name}.py").open("a") as file:
            file.write("rate = 1000.0\n")
        importlib.invalidate_caches()
        importlib.reload(sys.modules[f"{self.folder.name}.{name}"])
        importlib.reload(self.law)

    def sweep(self, store: Store | Path, **change: Any) -> xr.Dataset:
        return sweep(self.law.noisy, **GRID | change, store=store)


@pytest.fixture
def models(tmp_path, monkeypatch) -> Models:
    monkeypatch.syspath_prepend(tmp_path)
    return Models(tmp_path / f"models_{next(numbers)}")


@pytest.mark.parametrize("changed", ["law", "rates"], ids="22-{}".format)
def test_changed_code_is_refused_by_name(changed, models, tmp_path):
    path = tmp_path / "noisy.zarr"
    models.sweep(path)
    models.change(changed)
    before = contents(path)
    with pytest.raises(SweepMismatch, match=rf"other code: \w+\.{changed} changed; .*accept-code"):
        models.sweep(path)
    assert contents(path) == before


@pytest.mark.parametrize("changed", ["law", "rates"], ids="22-{}".format)
def test_changed_code_that_is_accepted_goes_on_and_is_recorded(changed, models, tmp_path):
    path = tmp_path / "noisy.zarr"
    old = models.sweep(Store(path, block=BLOCK))
    shutil.rmtree(path / "status" / "c" / "1")
    models.change(changed)
    with pytest.raises(SweepMismatch):
        models.sweep(path)
    mixed = models.sweep(Store(path, accept_code_change=True))
    ratio = (mixed["value"] / old["value"]).isel(temperature=[2, 3])
    np.testing.assert_allclose(ratio, 1000.0)
    xr.testing.assert_identical(mixed.isel(temperature=[0, 1, 4]), old.isel(temperature=[0, 1, 4]))
    runs = stores.Blockwise(path).noted("runs")
    assert [entry["code_changed"] for entry in runs] == [False, True]
    xr.testing.assert_identical(models.sweep(path), mixed)  # and is not asked for again


def test_fault_22_code_is_the_same_before_and_after_a_late_import(models, tmp_path):
    path = tmp_path / "noisy.zarr"
    old = models.sweep(path)
    assert models.law.seldom() == 1
    xr.testing.assert_identical(models.sweep(path), old)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({}, id="22-as-it-is"),
        pytest.param({"replicas": 4}, id="22-extended"),
    ],
)
def test_what_was_begun_with_other_code_begins_anew(change, models, tmp_path):
    path = tmp_path / "noisy.zarr"
    models.sweep(path)
    begun = stores.Blockwise(path).checkpoints(7)
    begun.mkdir(parents=True)
    models.change("rates")
    models.sweep(Store(path, extend=True, accept_code_change=True), **change)
    assert not begun.exists()


@pytest.mark.parametrize(
    "other", [{"jax": "0.0.1"}, {"device": "NVIDIA Z9"}, {"numpy": "1.0"}], ids="23-{}".format
)
def test_another_environment_is_warned_about_once_and_goes_on(other, folder, monkeypatch):
    path, whole = folder / "noisy.zarr", open_sweep(folder / "noisy.zarr")
    shutil.rmtree(path / "status" / "c" / "1")
    there = resuming.environment()
    monkeypatch.setattr(resuming, "environment", lambda: there | other)
    ((name, value),) = other.items()
    with pytest.warns(SweepWarning, match=f"{name} {there[name]} -> {value}: last digits"):
        data = run(store=path)
    xr.testing.assert_identical(data, whole)
    runs = stores.Blockwise(path).noted("runs")
    assert [entry["environment"] for entry in runs] == [there, there | other]
    run(store=path)


GROWN = {
    "24-after": {"temperature": [*HEAT, 3.0, 3.5]},
    "24-before": {"temperature": [0.25, *HEAT]},
    "24-between": {"temperature": [0.5, 0.75, *HEAT[1:], 9.0]},
    "24-replicas": {"replicas": 7},
    "24-both": {"temperature": [*HEAT, 3.0], "replicas": 4},
}
growing = pytest.mark.parametrize("grown", GROWN.values(), ids=GROWN.keys())


@growing
def test_an_extension_computes_nothing_but_what_is_new(grown, folder):
    path = folder / "noisy.zarr"
    full = [path / "value" / "c" / str(block) / "0" for block in (0, 1)]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in full]
    data = run(**grown, store=Store(path, extend=True))
    new, again = len(called), [(file.read_bytes(), file.stat().st_mtime_ns) for file in full]
    assert again == before
    assert new == data["status"].size - 15
    xr.testing.assert_identical(data, run(**grown))
    assert data["temperature"].values.tolist() == grown.get("temperature", HEAT)
    called.clear()
    xr.testing.assert_identical(run(**grown, store=path), data)
    assert called == []


class Stopped(BaseException):
    """As a signal comes, anywhere."""


def stop_before(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let a store be given another shape as far as the step of this number."""
    left = [step]

    def counted(genuine: Callable[..., Any]) -> Callable[..., Any]:
        def stopping(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Stopped
            return genuine(*arguments)

        return stopping

    monkeypatch.setattr(Path, "rename", counted(Path.rename))
    monkeypatch.setattr(stores, "_edit", counted(stores._edit))


STEPS = 7  # four coordinates, an observable, the status, the identity


@pytest.mark.parametrize("step", range(STEPS), ids="24-step-{}".format)
@pytest.mark.parametrize("wanted", [GROWN["24-both"], {}], ids=["extended", "as-it-was"])
def test_an_extension_that_was_interrupted_is_finished_or_taken_back(
    step, wanted, folder, monkeypatch
):
    path = folder / "noisy.zarr"
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_before(patch, step)
        run(**GROWN["24-both"], store=Store(path, extend=True))
    assert called == []
    data = run(**wanted, store=Store(path, extend=True))
    assert len(called) == data["status"].size - 15
    xr.testing.assert_identical(data, run(**wanted))
    xr.testing.assert_identical(open_sweep(path), data)


def test_fault_24_an_extension_that_is_interrupted_has_no_more_steps(folder, monkeypatch):
    stop_before(monkeypatch, STEPS)
    run(**GROWN["24-both"], store=Store(folder / "noisy.zarr", extend=True))


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "25-repeated": ({"temperature": [*HEAT, 0.5]}, "temperature has repeated values"),
    "25-empty": ({"temperature": []}, "temperature is empty"),
    "25-table": ({"temperature": [HEAT]}, "temperature has 2 dimensions"),
    "25-NaN": ({"temperature": [*HEAT, nan]}, "temperature = nan is not a finite number"),
    "25-infinite": ({"temperature": [*HEAT, inf]}, "temperature = inf is not a finite number"),
    "27-negative": ({"temperature": [*HEAT, -1.0]}, r"temperature = -1 is outside .*\(0, inf\)"),
    "27-zero": ({"temperature": [0.0]}, r"temperature = 0 is outside .*\(0, inf\)"),
    "27-no-replicas": ({"replicas": 0}, r"replicas = 0 is outside .*\[1, inf\)"),
    "28-unknown": ({"temprature": 1.0}, "'temprature'; did you mean 'temperature'"),
}


@pytest.mark.parametrize("wrong, said", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_is_impossible_is_refused_before_any_file_is_made(wrong, said, tmp_path):
    with pytest.raises((TypeError, ValueError), match=said):
        run(**wrong, store=tmp_path / "new" / "noisy.zarr")
    assert list(tmp_path.iterdir()) == [] and called == []


@pytest.mark.parametrize(
    "wrong, said",
    [pytest.param(*wrong, id=name) for name, wrong in IMPOSSIBLE.items()],
)
@pytest.mark.parametrize("extend", [False, True], ids=["as-it-is", "extend"])
def test_what_is_impossible_is_refused_by_a_store_that_exists(wrong, said, extend, folder):
    before = contents(folder)
    with pytest.raises((TypeError, ValueError), match=said):
        run(**wrong, store=Store(folder / "noisy.zarr", extend=extend))
    assert contents(folder) == before and called == []


def test_fault_25_switches_may_be_an_axis(tmp_path):
    whole = run(on=[False, True])
    xr.testing.assert_identical(run(on=[False, True], store=tmp_path / "noisy.zarr"), whole)


@pytest.mark.parametrize(
    "order", [HEAT[::-1], [1.5, 0.5, 2.5, 2.0, 1.0]], ids=["26-descending", "26-unsorted"]
)
def test_the_order_of_an_axis_changes_no_number(order, folder, tmp_path):
    expected = open_sweep(folder / "noisy.zarr").sel(temperature=order)
    xr.testing.assert_identical(run(temperature=order, store=tmp_path / "new.zarr"), expected)
    called.clear()
    xr.testing.assert_identical(run(temperature=order, store=folder / "noisy.zarr"), expected)
    assert called == []


@pytest.mark.parametrize(
    "option, said",
    [
        pytest.param("--redo=not_convergd", "redo = 'not_convergd' is not one of", id="28-redo"),
        pytest.param("--shard=2/2", "shard = 2/2 is not one of 0/2 to 1/2", id="28-shard"),
        pytest.param("--set=n_spin=3", "n_spin", id="28-field"),
    ],
)
def test_an_unknown_option_is_answered_with_what_is_allowed(option, said, capsys, tmp_path):
    asked = ["run", "hebbian/hopfield_phase_diagram", "--out", str(tmp_path / "out"), option]
    assert main(asked) == BAD_REQUEST
    output, errors = capsys.readouterr()
    assert said in errors and errors.count("\n") == 1
    assert not list(tmp_path.rglob("*.zarr"))


wide = pytest.mark.parametrize("x64", [False, True], ids=["29-x64-off", "29-x64-on"])


@pytest.fixture
def x64_of_the_user(x64):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", x64)
    yield
    jax.config.update("jax_enable_x64", before)


@jax.jit
def single(key: Array, temperature: Heat) -> One:
    return One(jax.random.normal(key, dtype=jnp.float32) * jnp.float32(temperature))


@wide
def test_single_precision_is_refused_where_double_was_asked_for(x64, x64_of_the_user, tmp_path):
    with pytest.raises(TypeError, match="value is float32, and the sweep has 64 bits"):
        sweep(single, **GRID, precision=64, store=tmp_path / "noisy.zarr")
    assert list(tmp_path.iterdir()) == []


@wide
def test_the_precision_of_the_user_is_not_that_of_a_store(x64, x64_of_the_user, folder, tmp_path):
    old = open_sweep(folder / "batched.zarr")
    xr.testing.assert_identical(sweep(batched, **GRID, store=folder / "batched.zarr"), old)
    shutil.rmtree(folder / "batched.zarr" / "status" / "c")
    xr.testing.assert_identical(sweep(batched, **GRID, store=folder / "batched.zarr"), old)
    double = sweep(batched, **GRID, precision=64, store=tmp_path / "double.zarr")
    assert (old["value"].dtype, double["value"].dtype) == (np.float32, np.float64)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a GPU")
def test_fault_31_a_gpu_that_is_not_there_is_reported_before_anything_is_done(tmp_path):
    asked = ["run", "hebbian/hopfield_phase_diagram", "--device", "gpu", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "thermolimit", *asked], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (BAD_REQUEST, "")
    assert "thermolimit: device = 'gpu' is not there; JAX finds: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
