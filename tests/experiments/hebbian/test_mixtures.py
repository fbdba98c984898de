"""What the comparison of mixtures allows to finite networks is what they need.

Three patterns make four kinds of spins, up to a global sign, and a network has random numbers of
them. Its energy depends on the magnetisations of the kinds alone, so that all corrections of order
1 / N follow from the saddle point: fluctuations around it, and those of the numbers of each kind.
"""

from functools import partial
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit.experiments.hebbian import mixtures

SIGNS = np.array([[1.0, 1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, -1]])  # of the patterns, by kind
FAIR = np.full(4, 0.25)
COVARIANCE = np.diag(FAIR) - np.outer(FAIR, FAIR)  # of the shares of the kinds, times N


def mean_spin(h):
    """tanh(h); also its derivatives are right to rounding where it is almost 1."""
    return 1 - 2 / (jnp.exp(2 * h) + 1)


def entropy(h):
    """Of a spin of this mean, likewise."""
    return jnp.log1p(jnp.exp(-2 * h)) + 2 * h / (jnp.exp(2 * h) + 1)


def overlaps(h, p):
    """With the three patterns, if spins feel the fields h T and the kinds have the shares p."""
    return (p * mean_spin(h)) @ SIGNS


def energy(h, p, P):
    """Per spin, with all products of P spins."""
    return -jnp.sum(overlaps(h, p) ** P) / 2


def repeated(h, p, P):
    """Of products with repeated indices, which are left out; times N."""
    return -comb(P, 2) * jnp.sum(overlaps(h, p) ** (P - 2)) / 2


def exponent(h, p, P, T):
    """Log of the probability of the magnetisations, per spin."""
    return p @ entropy(h) - energy(h, p, P) / T


def prefactor(h, p, P, T):
    """Log of what is of order 1: repeated indices, Stirling's formula, dM / dh = 1 - M^2."""
    return repeated(h, p, P) / T - jnp.sum(jnp.logaddexp(h, -h))


def fields(p, P, T):
    """h at the saddle point. Newton's last two steps make it right to third order in p."""

    def defect(h, p):
        return P / (2 * T) * (SIGNS @ overlaps(h, p) ** (P - 1)) - h

    h = P / (2 * T) * 0.5 ** (P - 1) * SIGNS.sum(axis=1)
    for at in (*[FAIR] * 8, p, p):
        h = h - jnp.linalg.solve(jax.jacobian(defect)(h, at), defect(h, at))
    return h


@partial(jax.jit, static_argnums=0)
def coefficients(P, T):
    """Of 1 / N in the means over networks."""
    h = fields(FAIR, P, T)
    spread = -jnp.linalg.inv(jax.hessian(exponent)(h, FAIR, P, T))
    skew = jax.jacobian(jax.hessian(exponent))(h, FAIR, P, T)
    force = jax.grad(prefactor)(h, FAIR, P, T) + jnp.einsum("abc,bc->a", skew, spread) / 2

    def thermal(fn):
        curvature = jnp.einsum("...ab,ab->...", jax.hessian(fn)(h), spread)
        return jax.jacobian(fn)(h) @ (spread @ force) + curvature / 2

    def quenched(fn):
        return jnp.sum(jax.hessian(lambda p: fn(fields(p, P, T), p))(FAIR) * COVARIANCE) / 2

    shift = FAIR * thermal(mean_spin)
    return {
        "overlap": shift @ SIGNS[:, 0] + quenched(lambda h, p: overlaps(h, p)[0]),
        # two networks with the same patterns: the square of a mean
        "self_overlap": 2 * mean_spin(h) @ shift + quenched(lambda h, p: p @ mean_spin(h) ** 2),
        "energy": thermal(partial(energy, p=FAIR, P=P))
        + quenched(partial(energy, P=P))
        - repeated(h, FAIR, P),
    }


def points():
    """Interaction orders and temperatures of both profiles."""
    for order in mixtures.ORDERS:
        for grid in mixtures.PROFILES.values():
            for T in mixtures.temperatures(grid, order):
                yield order, float(T)


@pytest.mark.slow
def test_the_saddle_point_is_the_state_that_is_compared():
    predicted = mixtures.predict(mixtures.Grid())
    for order in mixtures.ORDERS:
        for T in mixtures.temperatures(mixtures.Grid(), order):
            at = predicted.sel(interaction_order=order, temperature=T)
            with jax.enable_x64(True):
                h = fields(FAIR, order, T)
                np.testing.assert_allclose(overlaps(h, FAIR), at["overlap"], rtol=1e-8)
                np.testing.assert_allclose(jnp.mean(mean_spin(h) ** 2), at["self_overlap"])


@pytest.mark.slow
def test_allowances_cover_the_corrections_of_order_one_over_n_and_little_more():
    with jax.enable_x64(True):
        found = [coefficients(*point) for point in points()]
    for name, allowed in mixtures.TOLERANCE.bias.items():
        needed = max(abs(float(one[name])) for one in found)
        assert needed <= allowed <= 1.5 * needed, name
