"""Eigenvalues of drawn features, counted."""

import itertools

import numpy as np
import pytest

from thermolimit.simulations.scaling import densities

ALPHA, BETA, D, V = 0.8, 0.6, 30, 90
RANK = np.array([0.1, 1.5, 4.5, 16.5, 5000.0])


def test_counts_and_power_are_those_of_the_matrices():
    found = densities.simulate(
        np.random.default_rng(3), ALPHA, BETA, dimension=D, n_features=V, rank=RANK
    )
    W = np.random.default_rng(3).standard_normal((V, D)) / np.sqrt(D)
    j = np.arange(1.0, V + 1)
    A, t = j[:, None] ** -ALPHA * W, j ** (-ALPHA - BETA)
    eigenvalues, U = np.linalg.eigh(A @ A.T)
    bounds = RANK[::-1] ** (-2 * ALPHA)
    inside = [(eigenvalues > a) & (eigenvalues < b) for a, b in itertools.pairwise(bounds)]
    inside.reverse()
    assert list(found.eigenvalues) == [chosen.sum() for chosen in inside]
    power = [np.sum((U.T @ t)[chosen] ** 2) for chosen in inside]
    assert found.target_power == pytest.approx(power, rel=1e-9)
    assert found.eigenvalues.sum() == D
