"""Retrieval in strong noise of pairs: stationarity, limits, covariances of the noise."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric
from thermolimit.theory.hebbian.ultra_detection import UltraDetection

THEORY = UltraDetection()


def retrieved(**at):
    return solvers.saddle_points(THEORY, start="retrieval", **at)


@pytest.mark.parametrize("load, noise, temperature", [(0.2, 0.3, 0.4), (0.5, 0.4, 0.3)])
def test_the_free_energy_is_stationary_at_the_states(load, noise, temperature):
    at = {"pattern_load": load, "noise": noise, "temperature": temperature}
    data = retrieved(**at)
    assert 0.5 < data["overlap"] < 0.9999
    with jax.enable_x64(True):
        order = THEORY.Order(*(jnp.asarray(data[n].item()) for n in THEORY.Order._fields))
        control = THEORY.Control(**{n: jnp.asarray(x) for n, x in at.items()})
        slopes = jax.grad(THEORY.free_energy)(order, control)
    np.testing.assert_allclose(slopes, 0, atol=1e-9)


def test_without_noise_spins_are_in_the_field_of_the_pattern_alone():
    T = 0.8
    found = retrieved(pattern_load=0.3, noise=0.0, temperature=T)
    m = 1.0
    for _ in range(200):
        m = math.tanh(2 * m**3 / T)
    assert found["overlap"].item() == pytest.approx(m, abs=1e-10)
    assert found["free_energy"].item() == pytest.approx(
        1.5 * m**4 - T * math.log(2 * math.cosh(2 * m**3 / T)), abs=1e-10
    )


def test_the_noise_of_other_patterns_is_a_determinant_of_squared_overlaps():
    """E exp(b sum_a z_a^2), z of the covariance q_ab^2, per replica as their number vanishes."""
    q, w, T, n = 0.83, 0.4, 0.5, 1e-6
    b = w**2 / T
    one, rest = 1 - 2 * b * (1 - q**2), -2 * b * q**2  # eigenvalues: one, and one + n rest
    log_determinant = ((n - 1) * math.log(one) + math.log(one + n * rest)) / n
    with jax.enable_x64(True):
        parts = [
            float(
                THEORY.free_energy(
                    THEORY.Order(jnp.asarray(0.0), jnp.asarray(q)),
                    THEORY.Control(jnp.asarray(load), jnp.asarray(w), jnp.asarray(T)),
                )
            )
            for load in (0.0, 1.0)
        ]
        # with its conjugate V fixed, the load is in this part only: take what V adds off
        spins = [_spins(q, load, w, T) for load in (0.0, 1.0)]
    difference = parts[1] - parts[0] - (spins[1] - spins[0])
    assert difference == pytest.approx(T / 2 * log_determinant, abs=1e-5)


def _spins(q, load, w, T):
    """V (1 - q) / 2 T - T E log 2 cosh(sqrt(V) z / T), by a plain sum."""
    V = 8 * load * w**4 * q**3 / (1 - 2 * w**2 * (1 - q**2) / T) ** 2
    z = np.linspace(-10, 10, 20_001)
    weight = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    field = math.sqrt(V) * z / T
    return V * (1 - q) / (2 * T) - T * weight @ np.logaddexp(field, -field)


def test_a_pair_of_states_sees_the_noise_with_the_square_of_its_overlap():
    rng = np.random.default_rng(3)
    n_spins, samples = 40, 4000
    a = np.ones(n_spins)
    b = a.copy()
    b[:8] = -1
    q = a @ b / n_spins
    g = np.triu(rng.standard_normal((samples, n_spins, n_spins)), 1)
    za, zb = (2 * np.einsum("sij,i,j->s", g, s, s) / math.sqrt(2) / n_spins for s in (a, b))
    correlation = np.mean(za * zb) / math.sqrt(np.mean(za**2) * np.mean(zb**2))
    # without the diagonal q^2 is (N q^2 - 1) / (N - 1)
    assert correlation == pytest.approx(
        (n_spins * q**2 - 1) / (n_spins - 1), abs=4 / math.sqrt(samples)
    )


def test_more_patterns_bear_less_noise():
    data = retrieved(
        pattern_load=[0.1, 0.5], temperature=0.4, noise=np.linspace(0.1, 1.0, 19), on_failure="keep"
    )
    kept = (data["overlap"].squeeze() > 0.5).transpose("pattern_load", "noise").values
    few, many = kept.sum(axis=1)
    assert 0 < many < few < 19
    # every state is lost at one noise
    assert (kept[:, 1:] <= kept[:, :-1]).all()


@pytest.mark.parametrize(
    "wrong, said",
    [({"noise": -0.1}, "noise = -0.1 is outside"), ({"pattern_load": -1.0}, "pattern_load = -1")],
)
def test_numbers_that_make_no_sense_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        retrieved(**{"pattern_load": 0.1, "noise": 0.1, "temperature": 0.4} | wrong)


@pytest.mark.slow
def test_many_patterns_endure_the_noise_that_four_spins_endure_of_stored_ones():
    # alpha w^4 is a quarter of the load of K = alpha_4 N^3 / 12 patterns, once w is small
    T, load = 0.4, 1e12
    stored = ReplicaSymmetric(Model(4))
    branch = solvers.trace_branch(
        stored, "pattern_load", start="retrieval", pattern_load=0.2, temperature=T, bounds=(0.1, 1)
    )
    capacity = solvers.spinodal(stored, branch)["pattern_load"].item()
    branch = solvers.trace_branch(
        THEORY, "noise", start="retrieval", pattern_load=load, temperature=T, noise=1e-4,
        bounds=(0.0, 1e-3),
    )  # fmt: skip
    endured = solvers.spinodal(THEORY, branch)["noise"].item()
    assert 4 * load * endured**4 == pytest.approx(capacity, rel=10 * endured**2)
