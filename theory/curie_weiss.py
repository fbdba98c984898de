r"""The Curie-Weiss ferromagnet: the worked example of every shape of theory.

N spins s_i = +-1 with the energy

.. math:: H = -\frac{1}{2N} \sum_{i \neq j} s_i s_j - h \sum_i s_i,

temperature and field in units of the coupling, k_B = 1. As N goes to infinity the magnetization is
a minimum of f(m) = m^2 / 2 - T log 2 cosh((m + h) / T), that is, m = tanh((m + h) / T)
(P. Weiss 1907; R. J. Baxter, Exactly Solved Models, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from thermolimit.solvers import Equilibrium, Flow, Label

Magnetization = Annotated[Array | float, Label("magnetization, $m$")]


class Order(NamedTuple):
    """Order parameters."""

    magnetization: Magnetization


class Control(NamedTuple):
    """Control parameters."""

    temperature: Annotated[Array, (0.0, inf), Label("temperature, $T$")]
    field: Annotated[Array | float, Label("external field, $h$")] = 0.0


STARTS = {"up": Order(1.0), "down": Order(-1.0)}


@dataclass(frozen=True)
class CurieWeiss(Equilibrium):
    """Equilibrium states; the free energy is of the form m^2 / 2 - g(m), so it is all we state."""

    Order = Order
    Control = Control
    starts = STARTS

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        energy: Annotated[Array | float, Label("energy per spin, $u$")]

    def free_energy(self, order: Order, control: Control) -> Array:
        """Free energy per spin."""
        (m,), (T, h) = order, control
        return m**2 / 2 - T * jnp.logaddexp((m + h) / T, -(m + h) / T)

    def observables(self, order: Order, control: Control) -> Observables:
        """Energy per spin."""
        (m,), (_, h) = order, control
        return self.Observables(-(m**2) / 2 - h * m)


@dataclass(frozen=True)
class GlauberDynamics(Flow):
    """Relaxation under Glauber dynamics (R. J. Glauber 1963); time in attempts per spin."""

    Order = Order
    Control = Control
    starts = STARTS

    def velocity(self, order: Order, control: Control) -> Order:
        """Rate of change of the magnetization."""
        (m,), (T, h) = order, control
        return Order(jnp.tanh((m + h) / T) - m)


class Spinodal(NamedTuple):
    """Where the state against the field ends."""

    field: Annotated[Array, Label("spinodal field, $h_s$")]
    magnetization: Magnetization


@jax.jit
def spinodal(temperature: Annotated[Array, (0.0, 1.0), Label("temperature, $T$")]) -> Spinodal:
    """Field that the state of negative magnetization just survives, in closed form.

    Where m = tanh((m + h) / T) has a double root: 1 - m^2 = T.
    """
    m = -jnp.sqrt(1 - temperature)
    return Spinodal(temperature * jnp.arctanh(m) - m, m)
