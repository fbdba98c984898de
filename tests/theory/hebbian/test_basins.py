"""Basins of attraction: published capacity, the unstable branch, simulated steps, limits."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.special import erf, erfinv

from thermolimit import solvers
from thermolimit.experiments import compare, inverse_size_fit, sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.solvers import Status
from thermolimit.theory.hebbian import basins
from thermolimit.theory.hebbian.dense_memory import Model, ZeroTemperature


def borders(P, load):
    return solvers.evaluate(basins.signal_to_noise, pattern_load=load, interaction_order=P)


def test_the_capacity_of_pairs_is_that_of_amari_and_maginu():
    # 0.16, Neural Networks 1, 63 (1988)
    data = borders(2, np.array([0.155, 0.165]))
    assert np.isfinite(data["critical_overlap"]).values.tolist() == [True, False]
    assert data["status"].values.tolist() == [Status.OK, Status.NOT_FINITE]


@pytest.mark.parametrize("P", [3, pytest.param(4, marks=pytest.mark.slow), 5])
def test_beyond_pairs_the_border_is_the_unstable_state(P):
    alpha = np.array([0.05, 0.15, 0.25, 0.35])
    m = borders(P, alpha)["critical_overlap"].values
    # all states at T = 0 lie on one curve
    np.testing.assert_allclose(P * m ** (2 * P - 2) / (4 * erfinv(m) ** 2), alpha, rtol=1e-9)
    branch = solvers.trace_branch(
        ZeroTemperature(Model(P)), "pattern_load", start="retrieval", pattern_load=0.2,
        bounds=(0.05, 0.5),
    )  # fmt: skip
    unstable = branch.where(branch["growth_rate"] > 0, drop=True)
    inside = unstable.where(unstable["class_overlap"] < 0.999, drop=True)
    found = borders(P, inside["pattern_load"].values[1::5])["critical_overlap"]
    np.testing.assert_allclose(found, inside["class_overlap"].values[1::5], atol=1e-6)


@pytest.mark.parametrize("P", [2, 3])
def test_the_basin_fills_all_states_as_the_load_vanishes_and_shrinks_with_it(P):
    m = borders(P, np.array([1e-3, 0.01, 0.05, 0.1, 0.15]))["critical_overlap"].values
    assert (np.diff(m) > 0).all()
    assert m[0] < 0.05


@pytest.mark.parametrize(
    "P, load, sizes, replicas",
    [
        (2, 0.1, (250, 500, 1000), 60),
        pytest.param(3, 0.2, (100, 128, 192, 256), 400, marks=pytest.mark.slow),
        pytest.param(4, 0.2, (64, 80, 96, 128), 800, marks=pytest.mark.slow),
    ],
)
def test_the_first_steps_of_networks_tend_to_the_formula(P, load, sizes, replicas):
    m = np.array([0.25, 0.5, 0.75])
    about = {"interaction_order": P, "pattern_load": load}
    steps = solvers.evaluate(basins.first_steps, start_overlap=m, **about)
    both = xr.concat([steps["first"], steps["second"]], xr.Variable("burn_in", [0, 1]))
    measured = sweep(
        network.simulate, seed=7, replicas=replicas, engine="numba", temperature=0.0,
        start_overlap=m, n_spins=sizes, dynamics="parallel", burn_in=(0, 1), sweeps=1,
        **about,
    )  # fmt: skip
    comparison = compare(steps[["status"]].assign(overlap=both), measured)
    fit = inverse_size_fit(comparison, "overlap", powers=(1, 2) if P > 2 else (1,))
    assert (abs(fit["limit"]) < 4 * fit["limit_error"]).all()
    assert (fit["limit_error"] < 0.04).all()
    if P == 2:  # a second step without memory of the first is another one by far
        forgetful = erf(steps["first"] / np.sqrt(2 * load)).sel(start_overlap=0.25)
        assert abs(forgetful - steps["second"].sel(start_overlap=0.25)) > 0.2


@pytest.mark.parametrize("P", [2, 3, 4])
def test_first_steps_in_limits(P):
    def at(m, load):
        return solvers.evaluate(
            basins.first_steps, start_overlap=m, pattern_load=load, interaction_order=P
        )

    kept = at(1.0, 1e-3)
    assert kept["first"] == pytest.approx(1, abs=1e-12)
    assert kept["second"] == pytest.approx(1, abs=1e-12)
    lost = at(0.0, 0.1)
    assert lost["first"].item() == lost["second"].item() == 0
    noisy = at(0.5, 1e6)  # without a signal, m_1 is what remains of it
    small = P / 2 * 0.5 ** (P - 1) * np.sqrt(4 / (np.pi * P * 1e6))
    assert noisy["first"].item() == pytest.approx(small, rel=1e-5)


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"start_overlap": 1.2}, "start_overlap = 1.2 is outside"),
        ({"pattern_load": 0.0}, "pattern_load = 0 is outside"),
        ({"interaction_order": 1}, "interaction_order = 1 is outside"),
    ],
)
def test_what_does_not_exist_is_refused(given, sentence):
    about = {"start_overlap": 0.5, "pattern_load": 0.1, "interaction_order": 3} | given
    with pytest.raises(ValueError, match=sentence):
        solvers.evaluate(basins.first_steps, **about)
