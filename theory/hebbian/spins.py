"""A spin in a field: what its thermal state contributes to averages, and the limit T -> 0.

The first functions take one field h and the temperature T, to be averaged by ``expectation``. The
limit T -> 0 is explicit for a Gaussian field of given mean and variance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf
from jax.typing import ArrayLike

TINY = 1e-200  # a variance that can be divided by


def tanh_moments(h: Array, T: Array) -> tuple[Array, Array]:
    """Mean spin and its square."""
    spin = jnp.tanh(h / T)
    return spin, spin**2


def log_2cosh(h: Array, T: Array) -> Array:
    """Logarithm of the partition function."""
    return jnp.logaddexp(h / T, -h / T)


def response(h: Array, T: Array) -> Array:
    """T times the derivative of the mean spin by its field."""
    return 1 - jnp.tanh(h / T) ** 2


def squared_response(h: Array, T: Array) -> Array:
    """Its square, by which the noise of a glass grows."""
    return response(h, T) ** 2


def cold_spin(mean: ArrayLike, variance: ArrayLike) -> Array:
    """Mean of sign(h); without variance the sign of the mean."""
    return erf(mean / jnp.sqrt(2 * jnp.maximum(variance, TINY)))


def cold_response(mean: ArrayLike, variance: ArrayLike) -> Array:
    """Twice the density of h at 0, the response of its sign."""
    variance = jnp.maximum(variance, TINY)
    return jnp.sqrt(2 / (jnp.pi * variance)) * jnp.exp(-(mean**2) / (2 * variance))


def thermal_energy(free_energy: Callable[[Any, Any], Array], order: Any, control: Any) -> Array:
    """Energy per spin of a state, d(f / T) / d(1 / T) = f - T df / dT at fixed order parameters."""

    def at(T: Array) -> Array:
        return free_energy(order, control._replace(temperature=T))

    f, slope = jax.value_and_grad(at)(control.temperature)
    return f - control.temperature * slope
