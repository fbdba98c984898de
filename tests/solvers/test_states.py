"""States of a theory as formulas that a sweep can keep."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import Store, open_sweep, sweep
from thermolimit.simulations import curie_weiss as simulation
from thermolimit.solvers import Status
from thermolimit.theory.curie_weiss import CurieWeiss
from thermolimit.theory.hebbian import hopfield

PLANE = {"pattern_load": [0.02, 0.1], "temperature": [0.1, 0.4, 1.3]}


def test_a_kept_grid_of_states_is_that_of_the_solver(tmp_path):
    theory = hopfield.ReplicaSymmetric()
    kept = sweep(solvers.formula(theory, "retrieval"), store=tmp_path / "states.zarr", **PLANE)
    solved = solvers.saddle_points(theory, start="retrieval", **PLANE)
    assert ((kept["status"] == Status.OK) == (solved["status"] == Status.OK)).all()
    names = ("overlap", "self_overlap", "crosstalk", "energy", "free_energy", "replicon")
    good = kept["status"] == Status.OK
    for name in names:
        xr.testing.assert_equal(kept[name].where(good), solved[name].drop_vars("start"))


def test_theory_and_simulation_lie_side_by_side_in_one_store(tmp_path):
    store = Store(tmp_path / "ferromagnet.zarr")
    heat = {"temperature": [0.5, 0.8], "field": 0.1}
    sweep(solvers.formula(CurieWeiss(), "up"), store=store / "theory", **heat)
    sweep(simulation.simulate, seed=1, replicas=4, store=store / "simulation", n_spins=50, **heat)
    tree = xr.open_datatree(store.path, engine="zarr", consolidated=False)
    assert set(tree.children) == {"theory", "simulation"}
    theory = open_sweep(store.path / "theory")["magnetization"]
    measured = open_sweep(store.path / "simulation")["magnetization"].mean("replica")
    np.testing.assert_allclose(measured, theory, atol=0.1)


def test_another_theory_is_another_sweep(tmp_path):
    path = tmp_path / "states.zarr"
    at = {"pattern_load": 0.05, "temperature": 0.3}
    theory = hopfield.ReplicaSymmetric()
    sweep(solvers.formula(theory, "retrieval"), store=path, **at)
    for other in (
        solvers.formula(theory, "paramagnet"),
        solvers.formula(theory.refined(), "retrieval"),
    ):
        with pytest.raises(ValueError, match="holds another sweep: function is"):
            sweep(other, store=path, **at)


def test_a_start_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match="unknown start 'retreival'; did you mean 'retrieval'"):
        solvers.formula(hopfield.ReplicaSymmetric(), "retreival")
