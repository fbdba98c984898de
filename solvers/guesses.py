"""Where on a branch a transition lies, roughly: signs that change between two of its points."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from .branches import Followed
from .mean_field import SelfConsistent
from .newton import flat
from .transitions import MERGED, BranchPoint, Coexistence, Fold, Zero, defect, evaluated


class Candidate(NamedTuple):
    """Where a transition lies, roughly."""

    unknown: Any
    bracket: tuple[float, float]  # the branch's parameter on both sides
    arclength: float  # along the branch, 0 at its start
    reach: float  # distance between both sides, in units of 1 + |order|


def folds(system: Fold, followed: Followed) -> list[Candidate]:
    """Where the branch turns back, and its determinant changes sign."""
    found = _changes(followed.orientation) & _changes(followed.direction)
    return [_soft(system, followed, k, followed.direction) for k in np.flatnonzero(found).tolist()]


def branch_points(system: BranchPoint, followed: Followed, mirror: bool = True) -> list[Candidate]:
    """Where the state goes on through another branch.

    With ``mirror`` also where it arrives as one of two mirror images, and the branch turns back.
    """
    crossed, turned = _changes(followed.orientation), _changes(followed.direction)
    growth = followed.data["growth_rate"].values
    # the determinant does not see an even number of directions that become soft at once
    goes_on = (crossed | _changes(growth)) & ~turned
    found = goes_on | (turned & ~crossed) if mirror else goes_on
    return [
        _soft(system, followed, k, followed.direction if turned[k] else growth)
        for k in np.flatnonzero(found).tolist()
    ]


def zeros(system: Zero, followed: Followed) -> list[Candidate]:
    """Where the event changes sign."""
    values = np.asarray(_events(system, followed.orders, followed.values, followed.control))
    found = []
    for k in np.flatnonzero(_changes(values)).tolist():
        fraction = _root(values, k)
        order, value = _between(followed, k, fraction)
        found.append(_candidate(followed, k, fraction, system.Unknown(order, value)))
    return found


def _changes(values: np.ndarray) -> np.ndarray:
    """Whether the values change sign from each point to the next; zero counts as positive."""
    known = np.isfinite(values)
    return ((values[:-1] >= 0) != (values[1:] >= 0)) & known[:-1] & known[1:]


def _root(values: np.ndarray, k: int) -> float:
    """Fraction of the way from point k to the next where the values vanish; halfway if nowhere."""
    before, after = values[k], values[k + 1]
    return before / (before - after) if (before >= 0) != (after >= 0) else 0.5


def _between(followed: Followed, k: int, fraction: float) -> tuple[Any, float]:
    """State and parameter on the chord from point k to the next."""

    def mixed(x: np.ndarray) -> Any:
        return x[k] + fraction * (x[k + 1] - x[k])

    return jax.tree.map(mixed, followed.orders), float(mixed(followed.values))


def _candidate(followed: Followed, k: int, fraction: float, unknown: Any) -> Candidate:
    near, far = (flat(followed.at(i))[0] for i in (k, k + 1))
    before, after = followed.data["arclength"].values[k : k + 2]
    return Candidate(
        unknown,
        (float(followed.values[k]), float(followed.values[k + 1])),
        float(before + fraction * (after - before)),
        float(np.max(np.abs(far - near) / (1 + np.abs(near)))),
    )


def _soft(system: Fold | BranchPoint, followed: Followed, k: int, values: np.ndarray) -> Candidate:
    """Guess of a fold or a branch point where ``values`` vanish after point k."""
    fraction = _root(values, k)
    order, value = _between(followed, k, fraction)
    control = followed.control._replace(**{followed.parameter: value})
    jacobian = np.asarray(_jacobian(system.theory, order, control))
    # NaN at masked points, as the state itself
    left, _, right = np.linalg.svd(np.nan_to_num(jacobian))
    unravel = flat(order)[1]
    if isinstance(system, Fold):
        return _candidate(followed, k, fraction, system.Unknown(order, unravel(right[-1]), value))
    unknown = system.Unknown(order, unravel(left[:, -1]), 0.0, value)
    return _candidate(followed, k, fraction, unknown)


@partial(jax.jit, static_argnums=0)
def _jacobian(theory: SelfConsistent, order: Any, control: Any) -> Array:
    x, unravel = ravel_pytree(order)
    return jax.jacfwd(lambda x: ravel_pytree(defect(theory, unravel(x), control))[0])(x)


@partial(jax.jit, static_argnums=0)
def _events(system: Zero, orders: Any, values: Array, control: Any) -> Array:
    event = evaluated(system.theory, system.event)
    return jax.vmap(lambda order, value: event(order, control._replace(**{system.of: value})))(
        orders, values
    )


def equal_free_energies(system: Coexistence, first: Followed, second: Followed) -> list[Candidate]:
    """Guesses where the free energies of two branches cross, each branch up to its folds."""
    (p, x, f), (other_p, other_x, other_f) = (_up_to_folds(side) for side in (first, second))
    common = np.unique(np.concatenate([p, other_p]))
    common = common[(common >= max(p[0], other_p[0])) & (common <= min(p[-1], other_p[-1]))]
    x, f = _interpolated(common, p, x), np.interp(common, p, f)
    other_x, other_f = _interpolated(common, other_p, other_x), np.interp(common, other_p, other_f)
    if system.other is None:
        apart = np.max(np.abs(x - other_x) / (1 + np.abs(x)), axis=1, initial=0)
    else:  # of two theories the order parameters are no matter of comparison
        apart = np.ones(len(common))
    begun = first.values[np.argmin(np.abs(first.data["arclength"].values))]
    unravel = flat(first.at(0))[1], flat(second.at(0))[1]
    found = []
    crossed = _changes(f - other_f) & (np.minimum(apart[:-1], apart[1:]) > MERGED)
    for k in np.flatnonzero(crossed).tolist():
        fraction = _root(f - other_f, k)
        value, order, other = (y[k] + fraction * (y[k + 1] - y[k]) for y in (common, x, other_x))
        unknown = system.Unknown(unravel[0](order), unravel[1](other), float(value))
        bracket = float(common[k]), float(common[k + 1])
        reach = float(apart[k]) / 2  # nearer to its own state than to the other one
        found.append(Candidate(unknown, bracket, value - begun, reach))
    return found


def _up_to_folds(followed: Followed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parameter, states and free energies of the stretch around the start, parameter increasing."""
    turns = np.flatnonzero(_changes(followed.direction)) + 1
    begun = np.argmin(np.abs(followed.data["arclength"].values))
    stretch = next(
        part for part in np.split(np.arange(followed.values.size), turns) if begun in part
    )
    stretch = stretch[np.argsort(followed.values[stretch])]
    x = np.stack([flat(followed.at(k))[0] for k in stretch])
    return followed.values[stretch], x, followed.data["free_energy"].values[stretch]


def _interpolated(at: np.ndarray, p: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(at, p, column) for column in x.T], axis=1)
