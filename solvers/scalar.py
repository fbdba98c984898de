"""An inner one-dimensional root, differentiable in everything it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

BISECTIONS = 64  # halves any bracket to rounding in float64


def monotone_root(fn: Callable[..., Any], lower: Any, upper: Any, *args: Any) -> Array:
    """The x in [lower, upper] where the monotone ``fn(x, *args)`` vanishes.

    Bisection, which nothing can mislead; the derivative is that of the implicit function.

    Parameters
    ----------
    fn : callable
        Increasing or decreasing in x on the bracket; a scalar.
    lower, upper : float
        The bracket. If ``fn`` does not vanish inside, the end nearer to its root is returned.
    *args : float or array
        Whatever else ``fn`` depends on.

    Returns
    -------
    Array
        Scalar.
    """
    dtype = jnp.result_type(float, lower, upper)
    lower, upper = jnp.asarray(lower, dtype), jnp.asarray(upper, dtype)

    def bisect(f, _):
        increasing = f(upper) > f(lower)

        def halve(_, bracket):
            low, high = bracket
            middle = (low + high) / 2
            too_high = (f(middle) > 0) == increasing
            return jnp.where(too_high, low, middle), jnp.where(too_high, middle, high)

        low, high = lax.fori_loop(0, BISECTIONS, halve, (lower, upper))
        return (low + high) / 2

    def divide_by_slope(linear, y):
        return y / linear(jnp.ones_like(y))

    return lax.custom_root(lambda x: fn(x, *args), (lower + upper) / 2, bisect, divide_by_slope)
