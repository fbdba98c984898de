"""Every named problem with a known answer is solved, and the unsolvable ones are owned up to."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit.solvers import Equilibrium, SelfConsistent, Status
from thermolimit.solvers.saddle import TOLERANCE
from thermolimit.solvers.saddle import find as find_one
from thermolimit.theory.curie_weiss import CurieWeiss

find = jax.jit(find_one, static_argnums=0)


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


class One(NamedTuple):
    x: Any


class Nothing(NamedTuple):
    pass


class Scalar(SelfConsistent):
    """One order parameter, no control parameter."""

    Order, Control, starts = One, Nothing, {}


@dataclass(frozen=True)
class Overshooting(Scalar):
    """x = 3 - 2 x: the plain iteration diverges, turning back at every step."""

    def update(self, order, control):
        return One(3 - 2 * order.x)


@dataclass(frozen=True)
class Marginal(Scalar):
    """x = x - x^3: the root is degenerate, and Newton converges only linearly."""

    def update(self, order, control):
        return One(order.x - order.x**3)


@dataclass(frozen=True)
class Wall(Scalar):
    """x = 2 - 4 x with nonsense at x < 0, where the first step from 0.99 would lead."""

    def update(self, order, control):
        return One(jnp.where(order.x < 0, order.x, 2 - 4 * order.x))

    def domain(self, order, control):
        return order.x >= 0


@dataclass(frozen=True)
class Ghost(Scalar):
    """Residual below 5e-5 near 0, where a pair of states has just vanished; states at -1 and 1.

    The map is driven through the ghost, to 1. Newton on it finds nothing, and leaps to either side.
    """

    def update(self, order, control):
        x = order.x
        return One(x + (5e-5 + x**2) * (1 - x**2))


@dataclass(frozen=True)
class NoSolution(Scalar):
    """x = x + 1 + x^2."""

    def update(self, order, control):
        return One(order.x + 1 + order.x**2)


@dataclass(frozen=True)
class NotANumber(Scalar):
    """x = sqrt(-1 - x^2)."""

    def update(self, order, control):
        return One(jnp.sqrt(-1 - order.x**2))


@dataclass(frozen=True)
class Linear(SelfConsistent):
    """x = A x + b with an order parameter of dimension 3 and scales from 1 to 1000."""

    Order, Control, starts = One, Nothing, {}

    def update(self, order, control):
        return One(jnp.array(MATRIX) @ order.x + jnp.array([1.0, 10.0, 1000.0]))


MATRIX = np.array([[0.2, 0.1, 0.0], [-0.4, 0.5, 0.01], [0.3, 0.0, -0.6]])

SOLVABLE = {
    "overshooting": (Overshooting(), 0.0, 1.0, 1e-14),
    "marginal": (Marginal(), 0.5, 0.0, TOLERANCE ** (1 / 3)),  # |x^3| <= tolerance is all one knows
    "wall": (Wall(), 0.99, 0.4, 1e-14),
    "linear": (
        Linear(),
        np.zeros(3),
        np.linalg.solve(np.eye(3) - MATRIX, [1, 10, 1000]),
        1e-11,
    ),
}


@pytest.mark.parametrize("name", SOLVABLE)
def test_the_known_solution_is_found(name):
    theory, start, exact, tolerance = SOLVABLE[name]
    found = find(theory, One(jnp.asarray(start)), Nothing())
    assert found.status == Status.OK
    assert found.residual <= TOLERANCE
    np.testing.assert_allclose(found.order.x, exact, rtol=tolerance, atol=tolerance)


def test_no_newton_step_leaps_from_the_ghost_of_a_state_to_another_one():
    starts = -np.linspace(0.0, 0.006, 61)
    found = jax.vmap(lambda x: find(Ghost(), One(x), Nothing()))(starts)
    np.testing.assert_allclose(found.order.x, 1, atol=1e-9)


@pytest.mark.parametrize(
    "theory, start, status",
    [
        (NoSolution(), 0.0, Status.NOT_CONVERGED),
        (NotANumber(), 0.0, Status.NOT_FINITE),
        (Wall(), -1.0, Status.OUT_OF_DOMAIN),
    ],
)
def test_what_cannot_be_solved_says_so(theory, start, status):
    assert find(theory, One(jnp.asarray(start)), Nothing()).status == status


@pytest.mark.parametrize("magnetization", [0.05, 0.4, 0.9, 0.999])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 0.95, 3.0])
def test_curie_weiss_magnetization_against_the_inverse_equation(magnetization, temperature):
    # h(m) = T artanh(m) - m is explicit; from m = 1 the search meets the largest solution first
    field = temperature * np.arctanh(magnetization) - magnetization
    theory = CurieWeiss()
    found = find(theory, theory.Order(jnp.asarray(1.0)), theory.Control(temperature, field))
    assert found.status == Status.OK
    largest = max(magnetizations(temperature, field))
    np.testing.assert_allclose(found.order.magnetization, largest, atol=1e-12)


def magnetizations(temperature, field):
    """All roots of T artanh(m) - m = h, each between the extrema of the left side."""
    from scipy.optimize import brentq

    def excess(m):
        return temperature * np.arctanh(m) - m - field

    turn = np.sqrt(max(1 - temperature, 0.0))
    ends = [-1 + 1e-16, -turn, turn, 1 - 1e-16]
    brackets = [(a, b) for a, b in zip(ends, ends[1:], strict=False) if excess(a) * excess(b) < 0]
    return [brentq(excess, a, b, xtol=1e-15) for a, b in brackets]


def test_the_default_map_of_an_equilibrium_theory_is_a_unit_gradient_step():
    @dataclass(frozen=True)
    class Well(Equilibrium):
        Order, Control, starts = One, Nothing, {}

        def free_energy(self, order, control):
            return jnp.sum(order.x**2) / 2 - jnp.sum(jnp.cos(order.x))

    x = jnp.array([0.3, -1.2])
    np.testing.assert_allclose(Well().update(One(x), Nothing()).x, -jnp.sin(x), atol=1e-15)


def test_single_precision_in_gives_single_precision_out():
    found = find(Overshooting(), One(jnp.asarray(0.0, jnp.float32)), Nothing())
    assert found.order.x.dtype == found.residual.dtype == jnp.float32
