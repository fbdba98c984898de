"""Dense networks of more than four interacting spins: their capacity, glass and replicon."""

import math

import numpy as np
import pytest
from scipy.special import erfinv

from thermolimit import solvers
from thermolimit.theory.hebbian.dense_glass import OneStep
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric, ZeroTemperature


@pytest.mark.parametrize("order", [pytest.param(5, marks=pytest.mark.slow), 6])
def test_a_capacity_is_the_maximum_of_an_explicit_curve(order):
    m = np.linspace(0.7, 1 - 1e-6, 400_001)
    explicit = np.max(order * m ** (2 * order - 2) / (4 * erfinv(m) ** 2))
    branch = solvers.trace_branch(
        ZeroTemperature(Model(order)), "pattern_load", start="retrieval", pattern_load=0.1,
        bounds=(1e-3, 1.0),
    )  # fmt: skip
    found = solvers.spinodal(ZeroTemperature(Model(order)), branch)["pattern_load"]
    assert found == pytest.approx(explicit, abs=1e-9)  # of the grid


def static(order):
    """T_s / sqrt(alpha)."""
    theory = OneStep(Model(order), equilibrium=False)
    branch = solvers.trace_branch(
        theory, "temperature", start="spin_glass", pattern_load=1.0, temperature=0.61,
        bounds=(0.55, 0.67),
    )  # fmt: skip
    return solvers.zero_of(theory, branch, "complexity")["temperature"].item()


@pytest.mark.slow
def test_the_static_transition_comes_down_to_that_of_the_random_energy_model():
    # a spin that its state leaves free has probability 2^-P, in fields of order P
    energies = 1 / (2 * math.sqrt(math.log(2)))
    excess = [static(order) - energies for order in (4, 6, 20)]
    assert excess[0] > excess[1] > abs(excess[2])
    assert abs(excess[2]) < 20 * 2.0**-20


@pytest.mark.slow
@pytest.mark.parametrize("order", [4, 6])
def test_replica_symmetry_of_retrieval_breaks_where_fluctuations_diverge(order):
    theory = ReplicaSymmetric(Model(order))
    branch = solvers.trace_branch(
        theory, "temperature", start="retrieval", pattern_load=0.35, temperature=0.3,
        bounds=(0.03, 0.4),
    )  # fmt: skip
    line = solvers.zero_of(theory, branch, "replicon", along="pattern_load", bounds=(0.2, 0.52))
    line = line.isel(point=(line["growth_rate"] < 0).values)
    # below the Nishimori line, on which alone the spinodal is stable
    assert (line["temperature"] <= line["pattern_load"] + 1e-12).all()
    z = np.linspace(-10, 10, 200_001)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    for point in range(0, line.sizes["point"], 3):
        here = line.isel(point=point)
        alpha, T = here["pattern_load"].item(), here["temperature"].item()
        n, q = here["class_overlap"].item(), here["self_overlap"].item()
        noise = np.sqrt(alpha * order / 2 * q ** (order - 1))
        spin = np.tanh((order / 2 * n ** (order - 1) + noise * z) / T)
        assert weight @ spin == pytest.approx(n, abs=1e-10)
        assert weight @ spin**2 == pytest.approx(q, abs=1e-10)
        slope = order / 2 * (order - 1) * q ** (order - 2)
        assert alpha * slope / T**2 * (weight @ (1 - spin**2) ** 2) == pytest.approx(1, abs=1e-9)
