"""Eigenvalues and power of the target in bins: sums, moments, and refinement."""

import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.theory.scaling import densities, resolvent, spectra

D, V = 100, 400
RANK = np.array([0.2, 1.5, 4.5, 16.5, 64.5, 2000.0])
POINTS = [(1.0, 0.7), (0.4, 0.7)]


def masses(alpha, beta, rank):
    return densities.masses(alpha, beta, dimension=D, n_features=V, rank=rank)


@pytest.mark.parametrize(("alpha", "beta"), POINTS)
def test_bins_hold_all_eigenvalues_and_all_power_that_the_features_reach(alpha, beta):
    found, spectrum = masses(alpha, beta, RANK), spectra.power_law(alpha, beta, V)
    assert found.eigenvalues.sum() == pytest.approx(D, rel=1e-8)
    j = np.arange(1.0, V + 1)
    reached = np.sum(j ** (-2 * alpha - 2 * beta)) - resolvent.irreducible_loss(spectrum, D)
    assert found.target_power.sum() == pytest.approx(reached, rel=1e-8)


@pytest.mark.parametrize(("alpha", "beta"), POINTS)
def test_isolated_eigenvalues_are_whole(alpha, beta):
    first = masses(1.0, beta, np.array([0.5, 1.5, 2.5])).eigenvalues
    assert first == pytest.approx([1, 1], abs=1e-6)


@pytest.mark.parametrize(("alpha", "beta"), POINTS)
def test_a_bin_is_the_sum_of_its_parts(alpha, beta):
    """Other half circles lead to the same numbers."""
    parts = masses(alpha, beta, np.array([4.5, 9.0, 20.0, 64.5]))
    whole = masses(alpha, beta, np.array([4.5, 64.5]))
    for several, one in zip(parts, whole, strict=True):
        assert several.sum() == pytest.approx(one[0], rel=1e-6)


@pytest.mark.parametrize(("alpha", "beta"), POINTS)
def test_first_moments_are_those_of_the_definition(alpha, beta):
    """E Tr K = sum_j lam_j, and E <t, K^ t> = sum_j lam_j t_j^2 for t = D^(1/2) b."""
    rank = np.geomspace(0.5, 4 * D, 200)
    found, j = masses(alpha, beta, rank), np.arange(1.0, V + 1)
    middle = np.sqrt(rank[1:] * rank[:-1]) ** (-2 * alpha)
    width = 2 * alpha * np.log(rank[1] / rank[0])  # the error is of its second order
    trace, power = np.sum(j ** (-2 * alpha)), np.sum(j ** (-4 * alpha - 2 * beta))
    assert found.eigenvalues @ middle == pytest.approx(trace, rel=width**2 / 8)
    assert found.target_power @ middle == pytest.approx(power, rel=width**2 / 8)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="dimension = 400"):
        densities.masses(1.0, 0.7, dimension=V, n_features=V, rank=RANK)
    with pytest.raises(ValueError, match="rank must increase"):
        solvers.evaluate(
            densities.masses, alpha=1.0, beta=0.7, dimension=D, n_features=V, rank=[2.0, 1.0]
        )
