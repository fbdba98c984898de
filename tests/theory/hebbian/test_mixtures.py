"""Mixture states: published temperature, enumeration of the votes, limits, stability."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import root_scalar

from thermolimit import solvers
from thermolimit.theory.hebbian import dense_memory
from thermolimit.theory.hebbian.dense_memory import Model
from thermolimit.theory.hebbian.mixtures import ReplicaSymmetric, ZeroTemperature, majority_overlap
from thermolimit.theory.hebbian.multitasking import Multitasking

START = {"start": "mixture"}


def branch(P, n):
    theory = ReplicaSymmetric(Model(P), n_mixed=n)
    return theory, solvers.trace_branch(
        theory, "temperature", **START, pattern_load=0.0, temperature=0.1, bounds=(0.05, 1.2)
    )


def overlap_of_three(T):
    """By iteration: a quarter of the spins sees all three patterns agree."""
    m = 0.5
    for _ in range(500):
        m = (np.tanh(3 * m / T) + np.tanh(m / T)) / 4
    return m


# the response of the others decides
UNSTABLE = root_scalar(
    lambda T: 1 - np.tanh(overlap_of_three(T) / T) ** 2 - T, bracket=(0.3, 0.6), xtol=1e-13
).root


def test_mixtures_of_three_patterns_become_unstable_at_the_published_temperature():
    # T = 0.46, D. J. Amit, H. Gutfreund and H. Sompolinsky, Phys. Rev. A 32, 1007 (1985)
    assert pytest.approx(0.46, abs=0.005) == UNSTABLE
    theory, m = ReplicaSymmetric(Model(2), n_mixed=3), overlap_of_three(UNSTABLE)
    q = np.tanh(np.array([3, 1]) * m / UNSTABLE) ** 2 @ [0.25, 0.75]
    with jax.enable_x64(True):
        order = theory.Order(*map(jnp.asarray, (m, q)))
        control = theory.Control(jnp.asarray(0.0), jnp.asarray(UNSTABLE))
        np.testing.assert_allclose(theory.update(order, control), order, atol=1e-13)
        assert abs(theory.splitting(order, control)) < 1e-11


@pytest.mark.slow
def test_the_solvers_locate_that_temperature():
    found = solvers.zero_of(*branch(2, 3), "splitting")
    assert found["temperature"].item() == pytest.approx(UNSTABLE, abs=1e-9)
    assert found["class_overlap"].item() == pytest.approx(overlap_of_three(UNSTABLE), abs=1e-9)


def test_in_the_whole_network_the_mixture_is_as_stable_and_as_deep():
    T = np.array([0.2, 0.4, 0.45])
    whole = Multitasking(3, "storage")
    theory = ReplicaSymmetric(Model(2))
    data = solvers.saddle_points(theory, **START, pattern_load=0.0, temperature=T)
    full = solvers.saddle_points(whole, start="symmetric", dilution=0.0, temperature=T)
    m = data["class_overlap"].values.squeeze()
    np.testing.assert_allclose(full["class_overlaps"].squeeze(), np.tile(m[:, None], 3), atol=1e-9)
    np.testing.assert_allclose(data["free_energy"], full["free_energy"], atol=1e-12)
    with jax.enable_x64(True):
        for i, t in enumerate(T):
            control = theory.Control(0.0, jnp.asarray(t))
            q = data["self_overlap"].values.squeeze()[i]
            rate = theory.splitting(theory.Order(jnp.asarray(m[i]), jnp.asarray(q)), control)
            assert rate == pytest.approx(full["growth_rate"].values.squeeze()[i], abs=1e-9)


@pytest.mark.parametrize("P, n, T", [(2, 4, 0.3), (3, 3, 0.2), (4, 5, 0.1)])
def test_moments_and_the_growth_of_differences_are_sums_over_all_patterns(P, n, T):
    theory, m = ReplicaSymmetric(Model(P), n_mixed=n), 0.4
    xi = np.array(list(itertools.product([-1, 1], repeat=n)))

    def update(overlaps):
        fields = P / 2 * xi @ overlaps ** (P - 1)
        return (xi * np.tanh(fields / T)[:, None]).mean(axis=0)

    def free_energy(overlaps):
        fields = P / 2 * xi @ overlaps ** (P - 1)
        logs = np.logaddexp(fields / T, -fields / T).mean()
        return (P - 1) / 2 * (overlaps**P).sum() - T * logs

    alike = np.full(n, m)
    spins = np.tanh(P / 2 * m ** (P - 1) * xi.sum(axis=1) / T)
    apart = np.zeros(n)
    apart[:2] = 1, -1
    slope = (update(alike + 1e-6 * apart) - update(alike - 1e-6 * apart)) / 2e-6
    with jax.enable_x64(True):
        order = theory.Order(jnp.asarray(m), jnp.asarray(0.9))
        control = theory.Control(0.0, jnp.asarray(T))
        moved = theory.update(order, control)
        assert moved.class_overlap == pytest.approx(update(alike)[0], abs=1e-13)
        assert moved.self_overlap == pytest.approx((spins**2).mean(), abs=1e-13)
        assert theory.free_energy(order, control) == pytest.approx(free_energy(alike), abs=1e-13)
        assert theory.splitting(order, control) == pytest.approx(slope[0] - 1, abs=1e-8)


@pytest.mark.parametrize("P", [2, 3, pytest.param(4, marks=pytest.mark.slow)])
def test_with_other_patterns_the_free_energy_is_stationary_at_the_mixture(P):
    theory = ReplicaSymmetric(Model(P))
    at = {"pattern_load": 0.01, "temperature": 0.15}
    data = solvers.saddle_points(theory, **START, **at)
    with jax.enable_x64(True):
        order = theory.Order(*(jnp.asarray(data[name].item()) for name in theory.Order._fields))
        slopes = jax.grad(theory.free_energy)(order, theory.Control(*map(jnp.asarray, at.values())))
    assert abs(slopes.class_overlap) < 1e-9
    assert abs(slopes.self_overlap) < 1e-9


FEW = [(3, 2), (3, 3), (5, 4)]
MORE = [(n, P) for n in (3, 5) for P in (2, 3, 4) if (n, P) not in FEW]


@pytest.mark.parametrize("n, P", [*FEW, *(pytest.param(*c, marks=pytest.mark.slow) for c in MORE)])
def test_cold_mixtures_are_majorities(n, P):
    m = math.comb(n - 1, (n - 1) // 2) / 2 ** (n - 1)  # 1/2 of three, 3/8 of five
    assert majority_overlap(n) == pytest.approx(m, abs=1e-15)
    data = solvers.saddle_points(ZeroTemperature(Model(P), n_mixed=n), **START, pattern_load=1e-6)
    assert data["class_overlap"].item() == pytest.approx(m, abs=1e-3)
    assert data["free_energy"].item() == pytest.approx(-n * m**P / 2, abs=1e-3)


@pytest.mark.parametrize("P", [2, 3])
def test_zero_temperature_is_the_limit_of_low_temperatures(P):
    T = np.array([0.02, 0.01])
    at = {"pattern_load": 0.01}
    warm = solvers.saddle_points(ReplicaSymmetric(Model(P)), **START, temperature=T, **at)
    cold = solvers.saddle_points(ZeroTemperature(Model(P)), **START, **at)
    for name in ("class_overlap", "free_energy"):
        far, near = abs(warm[name] - cold[name].item()).values.ravel()
        assert near < 0.35 * far + 1e-10
        assert near < 1e-3


def test_a_mixture_of_one_pattern_is_retrieval():
    single = ReplicaSymmetric(Model(2), n_mixed=1)
    alone = dense_memory.ReplicaSymmetric(Model(2))
    with jax.enable_x64(True):
        order = alone.Order(jnp.asarray(0.9), jnp.asarray(0.8))
        control = alone.Control(jnp.asarray(0.05), jnp.asarray(0.3))
        for name in ("update", "free_energy"):
            found, known = (getattr(t, name)(order, control) for t in (single, alone))
            np.testing.assert_allclose(found, known, rtol=1e-13)


def test_even_mixtures_of_pairs_are_never_stable():
    theory = ReplicaSymmetric(Model(2), n_mixed=4)
    z, chance = np.array([-4, -2, 0, 2, 4]), np.array([1, 4, 6, 4, 1]) / 16
    for T in (0.02, 0.1, 0.3, 0.6, 0.9):
        m = 0.4
        for _ in range(2000):
            m = chance @ (z * np.tanh(m * z / T)) / 4
        q = chance @ np.tanh(m * z / T) ** 2
        with jax.enable_x64(True):
            order, control = theory.Order(*map(jnp.asarray, (m, q))), theory.Control(0.0, T)
            assert theory.update(order, control).class_overlap == pytest.approx(m, abs=1e-9)
            assert theory.splitting(order, control) > 0.01


@pytest.mark.parametrize(
    "build, sentence",
    [
        (lambda: ReplicaSymmetric(Model(2), n_mixed=0), "n_mixed = 0 is below 1"),
        (lambda: ZeroTemperature(Model(2), n_mixed=4), "n_mixed = 4 is even"),
        (lambda: ReplicaSymmetric(Model(2, law="gauss")), "law = 'gauss': mixtures are of stored"),
    ],
)
def test_mixtures_that_do_not_exist_are_refused(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
