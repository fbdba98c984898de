"""The states are the same in every convention: equations written in others are solved by ours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.leaves import leaves
from thermolimit.simulations.hebbian import dense_memory as simulation
from thermolimit.theory.hebbian.conventions import KROTOV, THERIAULT, unit_variance
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric
from thermolimit.theory.hebbian.example_law import dataset_entropy

Z = np.linspace(-9, 9, 6001)
WEIGHT = np.exp(-(Z**2) / 2) / np.exp(-(Z**2) / 2).sum()


def unit_variance_equations(order, load, beta, rho, state):
    """n, m and q with class means of unit variance; the examples' noise as a second Gaussian."""
    n, q = state
    if order == 2:
        noise = beta * math.sqrt(load * q) / (1 - beta * (1 - q))
    else:
        noise = beta * math.sqrt(load * order / 2 * q ** (order - 1))
    signal = beta * order / 2 * (1 + rho) ** (order / 2 - 1) * n ** (order - 1)
    x = 1 + math.sqrt(rho) * Z[::10, None]
    weight = WEIGHT[::10, None] / WEIGHT[::10].sum() * WEIGHT
    spin = np.tanh(signal * x + noise * Z)
    return (weight * x * spin).sum() / (1 + rho), (weight * spin).sum(), (weight * spin**2).sum()


@pytest.mark.parametrize(
    "order, load",
    [
        pytest.param(2, 0.03, marks=pytest.mark.slow),
        (3, 0.1),
        pytest.param(4, 0.1, marks=pytest.mark.slow),
    ],
)
def test_class_means_of_unit_variance_make_the_same_states(order, load):
    at: dict[str, Any] = {"quality": 0.5, "examples": 30.0}
    rho = dataset_entropy(*at.values())
    theirs = unit_variance(rho, interaction_order=order)
    temperature = 0.35  # theirs
    data = solvers.saddle_points(
        ReplicaSymmetric(Model(order, law="gauss")), start="retrieval", pattern_load=load,
        temperature=temperature / theirs.temperature, **at,
    )  # fmt: skip
    state = theirs.class_overlap * data["class_overlap"].item(), data["self_overlap"].item()
    n, m, q = unit_variance_equations(order, load, 1 / temperature, rho, state)
    assert m > 0.8
    assert (n, q) == pytest.approx(state, abs=1e-10)
    assert m == pytest.approx(data["overlap"].item(), abs=1e-10)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_the_energy_of_a_pattern_over_the_temperature_is_the_same(order):
    n_spins, T, load = 10**8, 0.3, 0.1
    ours = math.factorial(order) / (2 * n_spins ** (order - 1)) * math.comb(n_spins, order)
    assert ours / T == pytest.approx(n_spins / (KROTOV.temperature * T), rel=1e-6)
    theirs = math.factorial(order) / n_spins ** (order - 1) * math.comb(n_spins, order)
    assert ours / T == pytest.approx(theirs / (THERIAULT.temperature * T), rel=1e-12)
    patterns = THERIAULT.pattern_load * load * n_spins ** (order - 1) / math.factorial(order)
    assert patterns == pytest.approx(2 * load / math.factorial(order) * n_spins ** (order - 1))


def test_every_result_says_what_its_units_are():
    for described in (ReplicaSymmetric.Observables, simulation.Observables):
        assert "of an archetype $-1/2$" in leaves(described)["energy"].label
    for described in (ReplicaSymmetric.Order, simulation.Observables):
        assert "over $r$" in leaves(described)["class_overlap"].label
