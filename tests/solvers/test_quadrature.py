"""A Gaussian average is exact where its rule says so, whatever the temperature."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from thermolimit.solvers import GaussHermite, SinhTrapezoid, expectation

ADAPTIVE = 2e-12  # what quad reaches on these integrands with its break points

RULE = SinhTrapezoid()


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def square_of_tanh(h, T):
    return jnp.tanh(h / T) ** 2


def adaptive(mean, variance, T):
    """E tanh^2(h / T) by adaptive quadrature, broken up around the zero of the field."""
    std = np.sqrt(variance)
    zero, width = -mean / std, T / std
    breaks = [zero + k * width for k in (-30, -8, -2, 0, 2, 8, 30)]

    def integrand(z):
        return np.tanh((mean + std * z) / T) ** 2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)

    inside = sorted({-9.0, 0.0, 9.0, *(b for b in breaks if -9 < b < 9)})
    pieces = itertools.pairwise(inside)
    return sum(quad(integrand, a, b, epsabs=1e-14, epsrel=1e-13, limit=200)[0] for a, b in pieces)


@pytest.mark.parametrize("degree", range(8))
def test_gauss_hermite_is_exact_for_polynomials(degree):
    moment = 0 if degree % 2 else np.prod(np.arange(1, degree, 2))
    found = expectation(lambda h: h**degree, 0.0, 1.0, scale=1.0, rule=GaussHermite(5))
    assert found == pytest.approx(float(moment), abs=1e-12)


@pytest.mark.parametrize("temperature", [0.02, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("variance", [1e-6, 0.05, 1.0])
@pytest.mark.parametrize("mean", [0.0, 0.3, 1.0, 5.0])
def test_sinh_trapezoid_agrees_with_adaptive_quadrature(mean, variance, temperature):
    found = expectation(square_of_tanh, mean, variance, temperature, scale=temperature, rule=RULE)
    tolerance = 1e-10 if mean == 5.0 else ADAPTIVE  # far features cost nodes: see SinhTrapezoid
    assert found == pytest.approx(adaptive(mean, variance, temperature), abs=tolerance)


def test_gauss_hermite_is_wrong_at_low_temperature_and_the_refined_sinh_rule_is_not():
    exact = adaptive(0.0, 0.16, 0.1)
    hermite, sinh = (
        expectation(square_of_tanh, 0.0, 0.16, 0.1, scale=0.1, rule=rule)
        for rule in (GaussHermite(201), SinhTrapezoid(31).refined())
    )
    assert abs(hermite - exact) > 1e-6
    assert abs(sinh - exact) < ADAPTIVE


def test_odd_functions_cancel_exactly():
    assert expectation(jnp.tanh, 0.0, 0.7, scale=0.2, rule=RULE) == 0.0


def test_a_field_without_variance_is_a_number():
    assert expectation(jnp.tanh, 0.3, 0.0, scale=1.0, rule=RULE) == pytest.approx(
        np.tanh(0.3), abs=1e-15
    )


def test_derivatives_at_zero_variance_are_those_of_price():
    def average(mean, variance):
        return expectation(jnp.tanh, mean, variance, scale=1.0, rule=RULE)

    t = np.tanh(0.3)
    assert jax.grad(average, 0)(0.3, 0.0) == pytest.approx(1 - t**2, abs=1e-14)
    assert jax.grad(average, 1)(0.3, 0.0) == pytest.approx(-t * (1 - t**2), abs=1e-14)


@pytest.mark.parametrize("argument", range(3))
def test_derivatives_agree_with_finite_differences(argument):
    def average(mean, variance, T):
        return expectation(square_of_tanh, mean, variance, T, scale=T, rule=RULE)

    point, step = np.array([0.3, 0.05, 0.2]), 1e-5 * np.eye(3)[argument]
    difference = float(average(*(point + step)) - average(*(point - step))) / 2e-5
    assert jax.grad(average, argument)(*point) == pytest.approx(difference, abs=1e-7)
    assert jax.jacfwd(average, argument)(*point) == pytest.approx(difference, abs=1e-7)


def test_arguments_with_a_shape_are_differentiated_too():
    def average(weights):
        def fn(h, weights):
            return {"sum": jnp.sum(weights) * h**2, "each": weights * h}

        return expectation(fn, 0.5, 2.0, weights, scale=1.0, rule=GaussHermite(5))

    gradient = jax.jacfwd(average)(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(gradient["sum"], [2.25, 2.25], atol=1e-13)
    np.testing.assert_allclose(gradient["each"], 0.5 * np.eye(2), atol=1e-13)
