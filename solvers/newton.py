"""Newton's method for a residual with one parameter more than it has equations.

``residual(unknown, parameter, args)`` is any pure function of a pytree, a number and a pytree; it
returns as many numbers as ``unknown`` has, NaN where it means nothing. Like the theories it is
static and compared by value: a function of a module or a frozen dataclass, not a lambda built anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .saddle import TOLERANCE
from .tiles import TILE

Residual = Callable[[Any, Any, Any], Any]

NEWTON_STEPS = 20
ROUNDING = 1e-14
ROUGH = 1e-6  # a Newton step below this has come near a solution


class Point(NamedTuple):
    """A solution: what solves the equations, and the parameter."""

    unknown: Any
    parameter: Any


@dataclass(frozen=True)
class Unravel:
    """From flat numbers back to what they were, of one point or of many, in NumPy and in JAX."""

    tree: Any
    shapes: tuple[tuple[int, ...], ...]

    def __call__(self, z: Any) -> Any:
        """Leaves with the leading dimensions of ``z``."""
        leaves, begin = [], 0
        for shape in self.shapes:
            end = begin + math.prod(shape)
            leaves.append(z[..., begin:end].reshape(z.shape[:-1] + shape))
            begin = end
        return jax.tree.unflatten(self.tree, leaves)


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
    """``correct`` as a function of guess and row, or of arrays of them, from and to NumPy."""

    def tile(lanes: np.ndarray) -> Array:
        padded = np.zeros((TILE, *lanes.shape[1:]))
        padded[: len(lanes)] = lanes
        return _packed(residual, unravel, padded, len(lanes), args)

    def newton(z: np.ndarray, row: np.ndarray) -> Corrected:
        size = z.shape[-1]
        lanes = np.concatenate([z, row], axis=-1).reshape(-1, 2, size)
        tiles = [tile(lanes[first : first + TILE]) for first in range(0, len(lanes), TILE)]
        found = np.concatenate(tiles)[: len(lanes)].reshape(*z.shape[:-1], -1)
        vectors = found[..., :size], found[..., size : 2 * size]
        return Corrected._make([*vectors, *found[..., 2 * size :].T])

    return newton


@partial(jax.jit, static_argnums=(0, 1))
def _packed(residual: Residual, unravel: Any, lanes: Array, count: int, args: Any) -> Array:
    """``correct`` for the first lanes of a tile: the same program for one guess and for many.

    One array for each: seven small ones take longer to fetch than to compute. Under ``vmap``
    lanes would wait for each other, and be no faster.
    """

    def lane(k: Array, packed: Array) -> Array:
        z, row = lanes[k]
        found = correct(residual, unravel, z, row, args)
        return packed.at[k].set(jnp.concatenate([jnp.ravel(x) for x in found]))

    packed = jnp.zeros((len(lanes), 2 * lanes.shape[-1] + 4), lanes.dtype)
    return lax.fori_loop(0, count, lane, packed)


def solved(found: Corrected) -> Any:
    """Whether Newton's method has converged."""
    return (found.residual <= TOLERANCE) & (found.error < ROUGH)


def solve(residual: Residual, guess: Point, args: Any) -> tuple[Point, Corrected]:
    """Newton's method for the unknown at a given parameter."""
    z, unravel = flat(guess)
    found = newton_of(residual, unravel, args)(z, unit(z.size, -1))
    return unravel(found.z), found


def flat(numbers: Any) -> tuple[np.ndarray, Unravel]:
    """All numbers of a pytree in one array, and the way back."""
    leaves, tree = jax.tree.flatten(numbers)
    z = np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(float)
    return z, Unravel(tree, tuple(np.shape(leaf) for leaf in leaves))


def unit(size: int, component: int) -> np.ndarray:
    """The direction of one component."""
    row = np.zeros(size)
    row[component] = 1.0
    return row
