r"""The spin glass of a dense network, with one step of replica symmetry breaking.

For P >= 3 the noise of all stored classes freezes discontinuously, as in the random energy model.
The replica-symmetric spin glass of ``dense_memory`` has a negative entropy there; it is replaced by
states with overlap q within and 0 between them, the last with weight 1 - y in the replica method.

D. J. Gross and M. Mezard, Nucl. Phys. B 240, 431 (1984); E. Gardner, Nucl. Phys. B 257, 747 (1985);
L. Albanese et al., arXiv:2111.12997. One step may break again at very low temperature (Gardner).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import log_ndtr

from thermolimit.solvers import Equilibrium, Label, SinhTrapezoid, expectation, monotone_root
from thermolimit.solvers.quadrature import ROUNDING, GaussianRule

from .dense_memory import Energy, Model, ReplicaSymmetric, SelfOverlap, ZeroTemperature
from .example_law import Number
from .spins import thermal_energy

Breaking = Annotated[Number, Label("breaking parameter, $y$")]
ColdBreaking = Annotated[Number, Label(r"breaking parameter / $T$, $\mu$")]
COLDEST = 1e-3  # the smallest breaking parameter that is tried


@dataclass(frozen=True)
class OneStep(Equilibrium):
    """States of the spin glass at T > 0 and P >= 3.

    Parameters
    ----------
    model : Model
        Which network; distinct indices.
    equilibrium : bool
        Whether y is the one of equilibrium, 1 above the static transition T_s. If False, y = 1
        everywhere: the states that trap the dynamics below T_d, where they appear in a fold.
    rule : GaussianRule
        Quadrature over the noise.

    Notes
    -----
    With u = z sqrt(alpha (P / 2) q^(P-1)) / T, and alpha times the weight of ``noise_powers``,

        -f / T = log 2 + alpha / (4 T^2) [1 - P q^(P-1) + (P - 1) (1 - y) q^P]
                 + (1 / y) log E cosh^y u,

    stationary in q and, where y < 1, in y.
    """

    model: Model = Model()
    equilibrium: bool = True
    rule: GaussianRule = SinhTrapezoid(201)

    def __post_init__(self) -> None:
        _check(self.model)

    class Order(NamedTuple):
        """Order parameter: the overlap within a state."""

        self_overlap: SelfOverlap

    Control = ReplicaSymmetric.Control

    class Observables(NamedTuple):
        """The breaking parameter, and what can be measured."""

        breaking: Breaking
        energy: Energy

    @property
    def starts(self):
        """The spin glass."""
        return {"spin_glass": self.Order(0.99)}

    def check(self, control):
        """Refuse data that the law does not describe."""
        self.model.check(control["quality"], control["examples"])

    def free_energy(self, order, control):
        """Free energy per spin."""
        return -control.temperature * self._entropy(order, control, self._breaking(order, control))

    def update(self, order, control):
        """q = E cosh^y tanh^2 / E cosh^y."""
        y = self._breaking(order, control)
        _, _, square = self._means(order, control, y)
        return self.Order(square)

    def domain(self, order, control):
        """Where the noise has a variance."""
        return order.self_overlap > -ROUNDING

    def observables(self, order, control):
        """The breaking parameter; energy per spin, d(f / T) / d(1 / T)."""
        energy = thermal_energy(self.free_energy, order, control)
        return self.Observables(self._breaking(order, control), energy)

    def complexity(self, order, control):
        """Logarithm of the number of states per spin, at y = 1; negative below T_s."""
        return -self._slope(jnp.ones_like(order.self_overlap), order, control)

    def _noise(self, control):
        (weight,) = self.model.noise_powers(control.quality, control.examples).values()
        return control.pattern_load * weight

    def _means(self, order, control, y):
        """log E cosh^y u, and the means of log cosh u and tanh^2 u with that weight.

        Half of the weight is that of a Gaussian around y b^2, b^2 the variance of u, and the other
        half its mirror image.
        """
        P = self.model.interaction_order
        variance = self._noise(control) * P / 2 * order.self_overlap ** (P - 1)
        variance = variance / control.temperature**2
        weight, logs, squares = expectation(
            _half_of_the_weight, y * variance, variance, y, scale=1.0, rule=self.rule
        )
        log_weight = y**2 * variance / 2 + (1 - y) * math.log(2) + jnp.log(weight)
        return log_weight, logs / weight, squares / weight

    def _entropy(self, order, control, y):
        """-f / T."""
        (q,), P = order, self.model.interaction_order
        log_weight, _, _ = self._means(order, control, y)
        rest = 1 - P * q ** (P - 1) + (P - 1) * (1 - y) * q**P
        strength = self._noise(control) / (4 * control.temperature**2)
        return math.log(2) + strength * rest + log_weight / y

    def _slope(self, y, order, control):
        """Its derivative by y."""
        (q,), P = order, self.model.interaction_order
        log_weight, logs, _ = self._means(order, control, y)
        strength = self._noise(control) / (4 * control.temperature**2)
        return -strength * (P - 1) * q**P - log_weight / y**2 + logs / y

    def _breaking(self, order, control):
        one = jnp.ones_like(order.self_overlap)
        if not self.equilibrium:
            return one
        return monotone_root(self._slope, COLDEST * one, one, order, control)


def _half_of_the_weight(u, y):
    """2^y cosh^y u exp(-y u) / (1 + exp(-2 y u)), and its products with log cosh u and tanh^2 u."""
    log_cosh = jnp.logaddexp(u, -u) - math.log(2)
    weight = jnp.exp(y * jnp.logaddexp(0.0, -2 * u) - jnp.logaddexp(0.0, -2 * y * u))
    return weight, weight * log_cosh, weight * jnp.tanh(u) ** 2


@dataclass(frozen=True)
class OneStepZeroTemperature(Equilibrium):
    """The limit T -> 0 of ``OneStep``: q = 1 and y = mu T.

    Parameters
    ----------
    model : Model
        Which network; distinct indices.

    Notes
    -----
    The ground state energy per spin is the largest value over mu of

        -mu alpha / 4 - [log 2 + log Phi(mu sqrt(alpha P / 2))] / mu,

    Phi the distribution function of a standard normal.
    """

    model: Model = Model()

    def __post_init__(self) -> None:
        _check(self.model)

    class Order(NamedTuple):
        """The breaking parameter."""

        breaking: ColdBreaking

    Control = ZeroTemperature.Control

    @property
    def starts(self):
        """The spin glass."""
        return {"spin_glass": self._ground_state}

    def check(self, control):
        """Refuse data that the law does not describe."""
        self.model.check(control["quality"], control["examples"])

    def free_energy(self, order, control):
        """Energy per spin."""
        (mu,) = order
        (weight,) = self.model.noise_powers(control.quality, control.examples).values()
        alpha = control.pattern_load * weight
        width = mu * jnp.sqrt(alpha * self.model.interaction_order / 2)
        return -mu * alpha / 4 - (math.log(2) + log_ndtr(width)) / mu

    def update(self, order, control):
        """One step up the energy, which is concave."""
        slope = jax.grad(self.free_energy)(order, control)
        curvature = jax.grad(lambda order: jax.grad(self.free_energy)(order, control).breaking)(
            order
        )
        return self.Order(order.breaking - slope.breaking / curvature.breaking)

    def domain(self, order, control):
        """Positive breaking parameters."""
        return order.breaking > 0

    def _ground_state(self, control):
        def slope(mu, control):
            return jax.grad(self.free_energy)(self.Order(mu), control).breaking

        (weight,) = self.model.noise_powers(control.quality, control.examples).values()
        unit = 1 / jnp.sqrt(control.pattern_load * weight)  # mu of the random energy model: 1.67
        return self.Order(monotone_root(slope, 0.1 * unit, 10 * unit, control))


def _check(model: Model) -> None:
    if model.interaction_order == 2 or model.indices == "all":
        raise ValueError("one step of breaking from zero needs P >= 3 and distinct indices")
