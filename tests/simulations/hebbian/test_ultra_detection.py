"""Strong noise of pairs at finite N: the Gibbs law, and the theory at large N."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.simulations.hebbian.ultra_detection import noisy_pairs, run, simulate
from thermolimit.theory.hebbian.ultra_detection import UltraDetection


def test_pairs_are_symmetric_without_diagonal_and_have_their_noise():
    rng = np.random.default_rng(1)
    patterns = rng.choice(np.array([-1.0, 1.0]), (3, 60))
    pairs = noisy_pairs(rng, patterns, 5.0)
    np.testing.assert_array_equal(pairs, np.swapaxes(pairs, 0, 1))
    assert not pairs[np.arange(60), np.arange(60)].any()
    above = np.triu_indices(60, 1)
    noise = np.stack([pairs[..., k] - np.outer(x, x) for k, x in enumerate(patterns)])
    count = 3 * len(above[0])
    assert noise[:, *above].std() == pytest.approx(5.0, rel=4 / np.sqrt(2 * count))


def test_the_dynamics_samples_the_gibbs_law():
    rng = np.random.default_rng(2)
    n_spins, T = 6, 1.5
    patterns = rng.choice(np.array([-1.0, 1.0]), (2, n_spins))
    pairs = noisy_pairs(rng, patterns, 1.0)
    states = np.array(list(itertools.product([-1.0, 1.0], repeat=n_spins)))
    X = np.einsum("sij,ijk->sk", states[:, :, None] * states[:, None], pairs) / n_spins**2
    energy = -n_spins / 2 * (X**2).sum(axis=1)
    weight = np.exp(-(energy - energy.min()) / T)
    exact = np.einsum("s,si,sj->ij", weight / weight.sum(), states, states)
    spins, records = states[0].copy(), np.empty((20_000, n_spins))
    for record in records:  # not the averages of spins, which are 0 by symmetry
        run(pairs, spins, T, 1, 2, rng)
        record[:] = spins
    found = np.einsum("si,sj->ij", records, records) / len(records)
    np.testing.assert_allclose(found, exact, atol=5 / np.sqrt(len(records) / 4))


def test_at_zero_temperature_a_single_pattern_without_noise_stays():
    found = simulate(np.random.default_rng(3), 0.0, 0.0, n_spins=30, pattern_load=0, sweeps=5)
    assert found == (1, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.2, 0.4])
def test_patterns_are_retrieved_in_noise_of_the_root_of_the_size(noise):
    at = {"pattern_load": 0.2, "temperature": 0.4}
    theory = solvers.saddle_points(UltraDetection(), start="retrieval", noise=noise, **at)
    runs = [
        simulate(np.random.default_rng(seed), noise, n_spins=160, sweeps=80, burn_in=60, **at)
        for seed in range(24)
    ]
    for name in ("overlap", "self_overlap"):
        values = np.array([getattr(one, name) for one in runs])
        error = values.std(ddof=1) / np.sqrt(len(values))
        # an own pair of every spin is missing: 1 / N
        assert abs(values.mean() - theory[name].item()) < 4 * error + 1 / 160
