"""Saddle points: a damped map that gets close from afar, then Newton that finishes.

Pure functions of one point, to be jitted and vmapped; they follow the dtype that they are given.
"""

from __future__ import annotations

from enum import IntEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from .mean_field import Control, Order, SelfConsistent

TOLERANCE = 1e-10  # largest residual of a saddle point
# Residuals from which Newton is tried. From 1e-2, 3 % of a Hopfield grid ended in another state
# than the map; where a first attempt is refused, the map comes closer and it is tried again.
LEVELS = (1e-4, 1e-7, TOLERANCE)
NEWTON_STEPS = 20
NEWTON_RADIUS = 0.3  # of 1 + |order|: a longer step is a jump to somewhere else
NEWTON_UNKNOWNS = 64  # beyond, the Jacobian costs more than the iterations that it saves
MAP_STEPS = 20_000


class Status(IntEnum):
    """What became of a point; one code for solvers, sweeps and stores."""

    MISSING = 0
    OK = 1
    NOT_CONVERGED = 2
    NOT_FINITE = 3
    ERROR = 4
    OUT_OF_DOMAIN = 5
    NO_REFERENCE = 6
    NOT_ASKED = 7
    NOT_CERTIFIED = 8


class SaddlePoint(NamedTuple):
    """A solution of order = update(order, control), and how far it can be trusted."""

    order: Order
    residual: Array  # largest |F(x) - x| / (1 + |x|) over the order parameters
    steps: Array
    status: Array


class _Point(NamedTuple):
    x: Array
    defect: Array  # F(x) - x
    residual: Array
    inside: Array


class _Walk(NamedTuple):
    point: _Point
    damping: Array
    steps: Array


def find(theory: SelfConsistent, order: Order, control: Control) -> SaddlePoint:
    """Solve the self-consistency equations of one point, starting at ``order``.

    Parameters
    ----------
    theory : SelfConsistent
        Static; states ``update`` and ``domain``.
    order : NamedTuple
        Where the search begins.
    control : NamedTuple
        Control parameters.

    Returns
    -------
    SaddlePoint
        Always; ``status`` says whether it is one.
    """
    x, unravel = ravel_pytree(order)
    at = partial(_evaluate, theory, unravel, control)
    start = at(x)
    walk = _Walk(start, jnp.full((), 0.5, x.dtype), jnp.zeros((), jnp.int32))

    def closer(level: Array, walk: _Walk) -> _Walk:
        walk = _iterate_map(at, walk, jnp.asarray(LEVELS, x.dtype)[level])
        return _newton(at, walk) if x.size <= NEWTON_UNKNOWNS else walk

    walk = lax.fori_loop(0, len(LEVELS), closer, walk)
    end = walk.point
    begun_outside = ~jnp.asarray(theory.domain(order, control))
    status = jnp.select(
        [begun_outside, ~jnp.isfinite(end.residual), end.residual > TOLERANCE],
        [
            jnp.int8(Status.OUT_OF_DOMAIN),
            jnp.int8(Status.NOT_FINITE),
            jnp.int8(Status.NOT_CONVERGED),
        ],
        jnp.int8(Status.OK),
    )
    return SaddlePoint(unravel(end.x), end.residual, walk.steps, status)


def residual(theory: SelfConsistent, order: Order, control: Control) -> Array:
    """Largest |F(x) - x| / (1 + |x|) over the order parameters."""
    x, unravel = ravel_pytree(order)
    return _evaluate(theory, unravel, control, x).residual


def _evaluate(theory: SelfConsistent, unravel: Any, control: Control, x: Array) -> _Point:
    order = unravel(x)
    defect = ravel_pytree(theory.update(order, control))[0] - x
    inside = jnp.asarray(theory.domain(order, control)) & jnp.all(jnp.isfinite(defect))
    return _Point(x, defect, jnp.max(jnp.abs(defect) / (1 + jnp.abs(x))), inside)


def _iterate_map(at: Any, walk: _Walk, tolerance: Array) -> _Walk:
    """Damped iteration, until the residual is below ``tolerance`` or the steps are used up."""

    def unfinished(walk: _Walk) -> Array:
        here = walk.point
        return here.inside & (here.residual > tolerance) & (walk.steps < MAP_STEPS)

    def step(walk: _Walk) -> _Walk:
        here, damping, steps = walk
        there = at(here.x + damping * here.defect)
        # Successive steps that turn back overshoot. A growing residual is no sign of that: it
        # must grow when leaving the ghost of a state that has just vanished.
        turned = jnp.vdot(here.defect, there.defect) < 0
        point = jax.tree.map(partial(jnp.where, there.inside), there, here)
        slower, faster = damping / 2, jnp.minimum(damping * 1.1, 1.0)
        return _Walk(point, jnp.where(turned | ~there.inside, slower, faster), steps + 1)

    return lax.while_loop(unfinished, step, walk)


def _newton(at: Any, walk: _Walk) -> _Walk:
    """Newton's method; stays where the map left it when a step is refused.

    A step is judged by the length of the next one with the same Jacobian (Deuflhard's
    affine-invariant test): the order parameters have different scales, so a norm of the defect
    would be the wrong judge. NaN fails every comparison, so an infeasible step is refused.
    """

    def length(step: Array, x: Array) -> Array:
        return jnp.max(jnp.abs(step) / (1 + jnp.abs(x)))

    def iterate(state: tuple[_Point, Array, Array]) -> tuple[_Point, Array, Array]:
        here, steps, _ = state
        factors = jax.scipy.linalg.lu_factor(jax.jacfwd(lambda x: at(x).defect)(here.x))
        dx = -jax.scipy.linalg.lu_solve(factors, here.defect)
        there = at(here.x + dx)
        following = -jax.scipy.linalg.lu_solve(factors, there.defect)
        size = length(dx, here.x)
        accept = there.inside & (size < NEWTON_RADIUS) & (length(following, here.x) < size)
        point = jax.tree.map(partial(jnp.where, accept), there, here)
        return point, steps + 1, accept & (steps < NEWTON_STEPS)

    close = walk.point.inside & (walk.point.residual <= LEVELS[0])
    start = (walk.point, jnp.zeros((), jnp.int32), close)
    point, steps, _ = lax.while_loop(lambda state: state[2], iterate, start)
    return walk._replace(point=point, steps=walk.steps + steps)
