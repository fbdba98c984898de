"""What must hold for every theory, whoever wrote it."""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from thermolimit import solvers
from thermolimit.leaves import leaves
from thermolimit.simulations import curie_weiss as curie_weiss_simulation
from thermolimit.simulations.hebbian import hopfield as hopfield_simulation
from thermolimit.solvers import Equilibrium, Status
from thermolimit.solvers.lanes import flatten
from thermolimit.solvers.saddle import residual
from thermolimit.theory.curie_weiss import CurieWeiss, GlauberDynamics
from thermolimit.theory.hebbian import dense_glass, dense_memory, hopfield


class Case(NamedTuple):
    theory: Any
    controls: dict[str, list[float]]


CASES = [
    Case(CurieWeiss(), {"temperature": [0.4, 0.9, 1.5], "field": [0.0, 0.05]}),
    Case(
        hopfield.ReplicaSymmetric(), {"pattern_load": [0.02, 0.1], "temperature": [0.05, 0.4, 1.4]}
    ),
    Case(hopfield.ZeroTemperature(), {"pattern_load": [0.02, 0.1, 0.3]}),
    Case(dense_memory.ReplicaSymmetric(), {"pattern_load": [0.0, 0.1], "temperature": [0.1, 0.5]}),
    Case(dense_memory.ZeroTemperature(), {"pattern_load": [0.05, 0.2]}),
    Case(dense_glass.OneStep(), {"pattern_load": [0.3, 1.0], "temperature": [0.15, 0.3]}),
    Case(dense_glass.OneStepZeroTemperature(), {"pattern_load": [0.1, 0.5]}),
]
EQUILIBRIA = [case for case in CASES if isinstance(case.theory, Equilibrium)]
WARM = [case for case in EQUILIBRIA if "temperature" in case.controls]
# the Hessian of a dense paramagnet vanishes
REGULAR = [
    case for case in EQUILIBRIA if not isinstance(case.theory, dense_memory.ReplicaSymmetric)
]


def named(case):
    theory = type(case.theory)
    return f"{theory.__module__.rpartition('.')[2]}.{theory.__qualname__}"


@pytest.fixture(scope="module")
def solved():
    """States of every case, each solved once."""
    cache: dict[str, xr.Dataset] = {}

    def states(case):
        if named(case) not in cache:
            cache[named(case)] = solvers.saddle_points(case.theory, **case.controls)
        return cache[named(case)]

    return states


def lanes(case, data):
    """Orders and controls of all states that were found, as flat arrays."""
    good = (data["status"] == Status.OK).values.ravel()
    orders, numbers, whole = flatten(case.theory, data)
    chosen = {name: values[good] for name, values in numbers.items()}
    return jax.tree.map(lambda x: x[good], orders), case.theory.Control(**chosen, **whole)


@partial(jax.jit, static_argnums=0)
def gradients(theory, orders, controls):
    return jax.vmap(jax.grad(theory.free_energy))(orders, controls)


@partial(jax.jit, static_argnums=0)
def residuals(theory, orders, controls):
    return jax.vmap(partial(residual, theory))(orders, controls)


@partial(jax.jit, static_argnums=0)
def energies(theory, orders, controls):
    """d (f / T) / d (1 / T)."""

    def beta_f(order, control):
        return theory.free_energy(order, control) / control.temperature

    slopes = jax.vmap(jax.grad(beta_f, argnums=1))(orders, controls)
    return -(controls.temperature**2) * slopes.temperature


@pytest.mark.parametrize("case", CASES, ids=named)
def test_every_start_leads_to_a_certified_state_or_lies_outside_the_domain(case, solved):
    data = solved(case)
    assert set(np.unique(data["status"])) <= {Status.OK, Status.OUT_OF_DOMAIN}
    good = data.where(data["status"] == Status.OK)
    assert good["residual"].max() < 1e-10
    assert good["certificate"].max() < 1e-9


@pytest.mark.parametrize("case", EQUILIBRIA, ids=named)
def test_fixed_points_of_the_map_are_stationary_points_of_the_free_energy(case, solved):
    with jax.enable_x64(True):
        for slope in gradients(case.theory, *lanes(case, solved(case))):
            # the solver stops at a residual of 1e-10, times a response of order 1 / T
            np.testing.assert_allclose(slope, 0, atol=1e-8)


@pytest.mark.parametrize("case", EQUILIBRIA, ids=named)
def test_where_the_gradient_does_not_vanish_the_map_moves(case, solved):
    with jax.enable_x64(True):
        orders, controls = lanes(case, solved(case))
        moved = jax.tree.map(lambda x: 0.9 * x + 0.05, orders)
        gradient = gradients(case.theory, moved, controls)
        assert (np.max(np.abs(np.array(gradient)), axis=0) > 1e-4).all()
        assert (residuals(case.theory, moved, controls) > 1e-4).all()


@pytest.mark.parametrize("case", REGULAR, ids=named)
def test_both_criteria_of_stability_agree(case, solved):
    data = solved(case)
    good = data.where((data["status"] == Status.OK) & (abs(data["growth_rate"]) > 1e-6), drop=True)
    stable, index = good["growth_rate"] < 0, good["hessian_index"]
    # a replica saddle has the same index on all stable states, and another on unstable ones
    assert len(np.unique(index.values[stable.values])) == 1
    assert not np.intersect1d(index.values[stable.values], index.where(~stable)).size


@pytest.mark.parametrize("case", WARM, ids=named)
def test_the_energy_is_the_derivative_of_the_free_energy_over_temperature(case, solved):
    data = solved(case)
    with jax.enable_x64(True):
        energy = energies(case.theory, *lanes(case, data))
    found = data["energy"].values.ravel()[(data["status"] == Status.OK).values.ravel()]
    np.testing.assert_allclose(found, energy, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_theory_is_compared_by_value(case):
    again = dataclasses.replace(case.theory)
    assert again == case.theory
    assert hash(again) == hash(case.theory)


@pytest.mark.parametrize(
    "described",
    [kind for case in CASES for kind in (case.theory.Order, case.theory.Control)]
    + [GlauberDynamics.Order, hopfield.ReplicaSymmetric.Observables]
    + [hopfield_simulation.Observables, curie_weiss_simulation.Observables],
)
def test_names_are_no_attributes_of_a_dataset_and_have_a_long_name(described):
    for name, leaf in leaves(described).items():
        assert not hasattr(xr.Dataset, name) and not hasattr(xr.DataArray, name)
        assert leaf.label


@pytest.mark.parametrize("case", CASES, ids=named)
def test_formulas_follow_the_dtype_that_they_are_given(case):
    control = case.theory.Control(*(jnp.float32(0.5) for _ in case.theory.Control._fields))
    order = case.theory.Order(*(jnp.float32(0.6) for _ in case.theory.Order._fields))
    following = jax.eval_shape(case.theory.update, order, control)
    assert all(leaf.dtype == jnp.float32 for leaf in following)
