"""Newton's method for a residual with one parameter more than it has equations.

``residual(unknown, parameter, args)`` is any pure function of a pytree, a number and a pytree; it
returns as many numbers as ``unknown`` has, NaN where it means nothing. Like the theories it is
static and compared by value: a function of a module or a frozen dataclass, not a lambda built anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .saddle import TOLERANCE

Residual = Callable[[Any, Any, Any], Any]

NEWTON_STEPS = 20
ROUNDING = 1e-14
ROUGH = 1e-6  # a Newton step below this has come near a solution


class Point(NamedTuple):
    """A solution: what solves the equations, and the parameter."""

    unknown: Any
    parameter: Any


class Corrected(NamedTuple):
    """Where Newton ended, and how."""

    z: Any  # unknown and parameter, flat
    tangent: Any  # of the branch through it, row @ tangent = 1
    orientation: Array  # sign of the determinant of d residual / d unknown
    residual: Array  # largest |residual| / (1 + |unknown|)
    error: Array  # length of the next Newton step
    contraction: Array  # second Newton step over the first


def correct(residual: Residual, unravel: Any, z: Array, row: Array, args: Any) -> Corrected:
    """Newton's method from ``z`` for residual = 0 on the plane where row @ (new z - z) = 0.

    Least squares, since at a symmetric branch point several directions may be soft at once.
    """

    def defect(z: Array) -> tuple[Array, Array]:
        point = unravel(z)
        value = ravel_pytree(residual(point.unknown, point.parameter, args))[0]
        return value, value

    def step(state: tuple[Corrected, Array, Array]) -> tuple[Corrected, Array, Array]:
        here, steps, _ = state
        jacobian, value = jax.jacfwd(defect, has_aux=True)(here.z)
        finite = jnp.all(jnp.isfinite(jacobian)) & jnp.all(jnp.isfinite(value))
        scale = 1 + jnp.abs(here.z)
        matrix = jnp.where(finite, jnp.vstack([jacobian, row]) * scale[None, :], 0.0)
        right = jnp.zeros((z.size, 2), z.dtype).at[:-1, 0].set(-value).at[-1, 1].set(1.0)
        change, tangent = (jnp.linalg.lstsq(matrix, right, rcond=ROUNDING)[0] * scale[:, None]).T
        error = jnp.where(finite, jnp.max(jnp.abs(change) / scale), jnp.nan)
        worst = jnp.where(finite, jnp.max(jnp.abs(value) / scale[:-1]), jnp.nan)
        orientation = jnp.linalg.slogdet(matrix[:-1, :-1])[0]
        contraction = jnp.where(steps == 1, error / (here.error + ROUGH), here.contraction)
        # the steps shrink until they are nothing but rounding
        over = (error <= ROUNDING) | ((error >= here.error) & (here.error < ROUGH))
        over = over | ~finite | (steps >= NEWTON_STEPS)
        there = jnp.where(over, here.z, here.z + change)
        return Corrected(there, tangent, orientation, worst, error, contraction), steps + 1, over

    zero, far = jnp.zeros((), z.dtype), jnp.full((), jnp.inf, z.dtype)
    start = Corrected(z, jnp.zeros_like(z), zero, far, far, zero)
    state = (start, jnp.zeros((), jnp.int32), jnp.array(False))
    return lax.while_loop(lambda state: ~state[-1], step, state)[0]


def newton_of(residual: Residual, unravel: Any, args: Any) -> Callable[..., Corrected]:
    """``correct`` as a function of guess and row, from and to NumPy."""

    def newton(z: np.ndarray, row: np.ndarray) -> Corrected:
        packed = np.asarray(_packed(residual, unravel, z, row, args))
        reached, tangent = packed[: z.size], packed[z.size : 2 * z.size]
        return Corrected(reached, tangent, *packed[2 * z.size :])

    return newton


@partial(jax.jit, static_argnums=(0, 1))
def _packed(residual: Residual, unravel: Any, z: Array, row: Array, args: Any) -> Array:
    """``correct`` in one array: seven small ones take longer to fetch than to compute."""
    return jnp.concatenate([jnp.ravel(x) for x in correct(residual, unravel, z, row, args)])


def solved(found: Corrected) -> bool:
    """Whether Newton's method has converged."""
    return bool(found.residual <= TOLERANCE) and bool(found.error < ROUGH)


def solve(residual: Residual, guess: Point, args: Any) -> tuple[Point, Corrected]:
    """Newton's method for the unknown at a given parameter."""
    z, unravel = flat(guess)
    found = newton_of(residual, unravel, args)(z, unit(z.size, -1))
    return unravel(found.z), found


def flat(point: Point) -> tuple[np.ndarray, Any]:
    """All numbers in one array, and the way back."""
    z, unravel = ravel_pytree(jax.tree.map(lambda x: jnp.asarray(x, float), point))
    return np.asarray(z), unravel


def unit(size: int, component: int) -> np.ndarray:
    """The direction of one component."""
    row = np.zeros(size)
    row[component] = 1.0
    return row
