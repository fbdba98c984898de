"""Transitions as roots: the equations of a state, and what else holds where it changes.

Every system is a residual for ``continuation``: its unknowns are the state, the control parameter
``of`` in which the transition is located and whatever the extra equations need; the parameter is
a second control, ``along`` which the transition makes a line (None for a single point).
With R(x) = F(x) - x for the self-consistency equations x = F(x):

================  ==================================================================
``Fold``          R = 0, R_x v = 0, v.v = 1: two states merge and vanish (spinodal)
``BranchPoint``   R + b w = 0, w R_x = 0, w R_p = 0, w.w = 1: two branches cross (a
                  continuous transition; b is zero there and makes the system regular)
``Coexistence``   R(a) = 0, R(b) = 0, f(a) = f(b): equal free energies (first order)
``Zero``          R = 0, g = 0: whatever else somebody looks for on a state
================  ==================================================================

The fold is that of Seydel and of Moore and Spence (1980), the branch point that of Moore (1980).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from thermolimit.leaves import leaves

from .mean_field import Control, Order, SelfConsistent

MERGED = 1e-2  # states nearer than this, in units of 1 + |order|, have merged
SINGULAR = 1e-7  # of the largest singular value: a smaller one is that of the soft direction
UNFOLDED = 1e-8  # a branch point that needs more than this to exist is none


def defect(theory: SelfConsistent, order: Order, control: Control) -> Order:
    """F(x) - x, and NaN where the formulas mean nothing."""
    inside = jnp.asarray(theory.domain(order, control)) & _allowed(theory, control)
    moved = theory.update(order, control)
    return jax.tree.map(lambda new, old: jnp.where(inside, new - old, jnp.nan), moved, order)


def _allowed(theory: SelfConsistent, control: Control) -> Array:
    inside = jnp.array(True)
    for name, leaf in leaves(theory.Control).items():
        if leaf.interval is not None:
            inside &= jnp.all(leaf.interval.holds(getattr(control, name)))
    return inside


@dataclass(frozen=True)
class State:
    """A state, as one control parameter varies."""

    theory: SelfConsistent
    parameter: str

    def __call__(self, order: Order, parameter: Array, control: Control) -> Order:
        """Residual of the self-consistency equations."""
        return defect(self.theory, order, control._replace(**{self.parameter: parameter}))


@dataclass(frozen=True)
class Transition:
    """What all transitions share: where the two control parameters go."""

    theory: SelfConsistent
    of: str
    along: str | None = None

    Unknown: ClassVar[type]

    kind: ClassVar[str]  # what the transition is called in datasets
    lost: ClassVar[str] = ""  # why a line has ended where the transition is none any more

    def __call__(self, unknown: Any, parameter: Array, control: Control) -> Any:
        """Residuals of all equations."""
        raise NotImplementedError

    def orders(self, unknown: Any) -> tuple[Order, ...]:
        """The states among the unknowns."""
        return (unknown.order,)

    def genuine(self, unknown: Any, begun: int) -> np.ndarray:
        """Which points of a line (arrays) are what the transition at point ``begun`` is."""
        return np.ones(len(unknown.value), bool)

    def refined(self) -> Self:
        """The same transition under finer quadrature rules."""
        return dataclasses.replace(self, theory=self.theory.refined())

    def control(self, value: Array, parameter: Array, control: Control) -> Control:
        """All control parameters, with the two that vary here in their places."""
        lines = {} if self.along is None else {self.along: parameter}
        return control._replace(**{self.of: value}, **lines)


@dataclass(frozen=True)
class Fold(Transition):
    """Where a state merges with another one and vanishes."""

    kind: ClassVar[str] = "spinodal"

    class Unknown(NamedTuple):
        order: Order
        soft: Order
        value: Any

    def __call__(self, unknown: Any, parameter: Array, control: Control) -> Any:
        """Residuals of state, soft direction and its length."""
        order, soft, value = unknown
        control = self.control(value, parameter, control)
        zero, flat = jax.jvp(lambda x: defect(self.theory, x, control), (order,), (soft,))
        return self.Unknown(zero, flat, 1 - _dot(soft, soft))


@dataclass(frozen=True)
class BranchPoint(Transition):
    """Where a state meets another branch, but goes on itself."""

    kind: ClassVar[str] = "continuous"
    lost: ClassVar[str] = "unfolded"

    class Unknown(NamedTuple):
        order: Order
        soft: Order  # left null vector
        unfolding: Any
        value: Any

    def __call__(self, unknown: Any, parameter: Array, control: Control) -> Any:
        """Residuals of state, soft direction, its length, and of the crossing."""
        order, soft, unfolding, value = unknown
        x, unravel = ravel_pytree(order)
        w = ravel_pytree(soft)[0]

        def flat(x: Array, value: Array) -> Array:
            at = self.control(value, parameter, control)
            return ravel_pytree(defect(self.theory, unravel(x), at))[0]

        by_order, by_value = jax.jacfwd(flat, argnums=(0, 1))(x, value)
        return self.Unknown(
            unravel(flat(x, value) + unfolding * w), unravel(w @ by_order), w @ by_value, 1 - w @ w
        )

    def genuine(self, unknown: Any, begun: int) -> np.ndarray:
        """Where the two branches meet by themselves, without an ``unfolding``."""
        return np.abs(unknown.unfolding) <= UNFOLDED


@dataclass(frozen=True)
class Coexistence(Transition):
    """Where two states have the same free energy; the second may belong to another theory."""

    other: SelfConsistent | None = None
    kind: ClassVar[str] = "coexistence"
    lost: ClassVar[str] = "merged"

    class Unknown(NamedTuple):
        first: Order
        second: Order
        value: Any

    def __call__(self, unknown: Any, parameter: Array, control: Control) -> Any:
        """Residuals of both states and of their free energies."""
        first, second, value = unknown
        control = self.control(value, parameter, control)
        here: Any = self.theory
        there: Any = self.other or here
        difference = here.free_energy(first, control) - there.free_energy(second, control)
        return self.Unknown(
            defect(here, first, control), defect(there, second, control), difference
        )

    def orders(self, unknown: Any) -> tuple[Order, ...]:
        """Both states."""
        return (unknown.first, unknown.second)

    def genuine(self, unknown: Any, begun: int) -> np.ndarray:
        """Where there are two states, and in the same places.

        Beyond the end of a line they change places and it is followed back; or they stay one,
        which solves the equations everywhere.
        """
        if self.other is not None:
            return super().genuine(unknown, begun)
        first, second = (np.asarray(jax.vmap(_flat)(x)) for x in self.orders(unknown))
        apart = (first - second) / (1 + np.abs(first))
        return (apart @ apart[begun] > 0) & (np.max(np.abs(apart), axis=1) > MERGED)

    def refined(self) -> Self:
        """The same transition under finer quadrature rules, on both sides."""
        other = self.other and self.other.refined()
        return dataclasses.replace(self, theory=self.theory.refined(), other=other)


@dataclass(frozen=True)
class Zero(Transition):
    """Where a function of a state vanishes."""

    event: str | Callable[[Order, Control], Array] = "free_energy"

    @property
    def kind(self) -> str:
        """The event's own name."""
        named = getattr(self.event, "__name__", type(self.event).__name__)
        return self.event if isinstance(self.event, str) else named

    class Unknown(NamedTuple):
        order: Order
        value: Any

    def __call__(self, unknown: Any, parameter: Array, control: Control) -> Any:
        """Residuals of the state and of the function."""
        order, value = unknown
        control = self.control(value, parameter, control)
        event = evaluated(self.theory, self.event)
        return self.Unknown(defect(self.theory, order, control), event(order, control))


def quadratic_coefficient(
    theory: SelfConsistent, order: Order, left: Order, control: Control
) -> Array:
    """a of the amplitude equation dA/dt = a A^2 / 2 + b A^3 / 6 at a branch point.

    A is the amplitude along the soft direction v, with w.v = 1 for the left null vector w. By
    symmetry a = 0; else a state is exchanged for another one.
    """
    flat, x, w, v, _ = _soft_directions(theory, order, left, control)
    return w @ _along(_along(flat, v), v)(x)


def cubic_coefficient(theory: SelfConsistent, order: Order, left: Order, control: Control) -> Array:
    """b of the amplitude equation (see ``quadratic_coefficient``).

    With a = 0, a negative b makes the transition continuous; with a positive one the states that
    branch off are unstable, and what ends here is the metastability of the symmetric state.
    """
    flat, x, w, v, jacobian = _soft_directions(theory, order, left, control)
    second = _along(_along(flat, v), v)(x)
    # how the other directions follow A^2
    z = jnp.linalg.lstsq(jacobian, (w @ second) * v - second, rcond=SINGULAR)[0]
    return w @ (_along(_along(_along(flat, v), v), v)(x) + 3 * _along(_along(flat, v), z)(x))


def _soft_directions(theory: Any, order: Order, left: Order, control: Control) -> tuple[Any, ...]:
    """R as a function of the flat order, where, left and right null vector, Jacobian."""
    x, unravel = ravel_pytree(order)
    w = _flat(left)

    def flat(x: Array) -> Array:
        return _flat(defect(theory, unravel(x), control))

    jacobian = jax.jacfwd(flat)(x)
    v = jnp.linalg.svd(jacobian)[2][-1]
    return flat, x, w, v / (w @ v), jacobian


def _along(fn: Callable[[Array], Array], v: Array) -> Callable[[Array], Array]:
    """Derivative in the direction v."""
    return lambda x: jax.jvp(fn, (x,), (v,))[1]


def evaluated(theory: SelfConsistent, event: Any) -> Callable[[Order, Control], Array]:
    """A function of order and control, or the theory's method of this name."""
    return getattr(theory, event) if isinstance(event, str) else event


def _flat(order: Order) -> Array:
    return ravel_pytree(order)[0]


def _dot(a: Order, b: Order) -> Array:
    return jnp.vdot(_flat(a), _flat(b))
