r"""Patterns hidden in noise that is much stronger than they are: four spins interact, K = alpha N.

Pairs xi_i^mu xi_j^mu of entries of K = alpha N patterns are stored with additive noise,
A_ij^mu = xi_i^mu xi_j^mu + omega g_ij^mu, g symmetric with independent standard normal entries, in

.. math:: H = -\frac{N}{2} \sum_\mu X_\mu^2, \qquad
          X_\mu = \frac{1}{N^2} \sum_{i \ne j} A_{ij}^\mu s_i s_j.

Far below the largest number of patterns, of order N^3, the noise may be of order sqrt(N), with
omega = w sqrt(N): signals of order 1 are detected in noise of order sqrt(N). With more patterns,
K of order N^b, 1 < b < 3, others make as much noise at omega of order N^((3 - b) / 4); with fewer,
the noise of the retrieved pattern itself allows no more than sqrt(N).

Ultra-detection is what F. Alemanno, M. Centonze and A. Fachechi, arXiv:1912.00666, and E. Agliari
et al., arXiv:2212.00606, call it. This model of the noise and its theory are this package's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, NamedTuple

import jax.numpy as jnp

from thermolimit.solvers import Equilibrium, Interval, Label, SinhTrapezoid, expectation
from thermolimit.solvers.quadrature import ROUNDING, GaussianRule

from .dense_memory import Energy, Overlap, SelfOverlap, Temperature
from .example_law import Number
from .spins import log_2cosh, tanh_moments, thermal_energy

PatternLoad = Annotated[Number, Interval(0.0, inf, closed=True), Label(r"load, $\alpha = K / N$")]
Noise = Annotated[
    Number, Interval(0.0, inf, closed=True), Label(r"noise of pairs, $w = \omega / \sqrt{N}$")
]


@dataclass(frozen=True)
class UltraDetection(Equilibrium):
    """Replica-symmetric state at T > 0.

    Parameters
    ----------
    rule : GaussianRule
        Quadrature over the noise.

    Notes
    -----
    The field on a spin is S + sqrt(V) z, z a standard normal, with

        m = E tanh((S + sqrt(V) z) / T),    q = E tanh^2((S + sqrt(V) z) / T),
        S = 2 m^3 (1 + 2 w^2 (1 - q^2) / T),    D = 1 - 2 w^2 (1 - q^2) / T,
        V = 4 w^2 m^4 q + 8 alpha w^4 q^3 / D^2.

    The noise of the retrieved pattern is a Sherrington-Kirkpatrick model of couplings 2 w m^2, that
    of the others a Hopfield network of pairs of spins, whose overlap is q^2. States at D < 0 mean
    nothing.
    """

    rule: GaussianRule = SinhTrapezoid(101)

    class Order(NamedTuple):
        """Order parameters."""

        overlap: Overlap
        self_overlap: SelfOverlap

    class Control(NamedTuple):
        """Control parameters."""

        pattern_load: PatternLoad
        noise: Noise
        temperature: Temperature

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        energy: Energy

    @property
    def starts(self):
        """The pattern; paramagnet."""
        return {"retrieval": self.Order(1.0, 1.0), "paramagnet": self.Order(0.0, 0.0)}

    def free_energy(self, order, control):
        """Free energy per spin, without the constant of the diagonal."""
        (m, q), (alpha, w, T) = order, control
        S, V, D = _field(order, control)
        own = m**4 / 2 + w**2 / T * m**4 * (1 - q**2)
        others = -alpha / 2 * (T * jnp.log(D) - 2 * w**2 * q**2 / D)
        spins = T * expectation(log_2cosh, S, V, T, scale=T, rule=self.rule)
        return S * m + V * (1 - q) / (2 * T) - own - others - spins

    def update(self, order, control):
        """The self-consistency equations of m and q."""
        S, V, _ = _field(order, control)
        T = control.temperature
        m, q = expectation(tanh_moments, S, V, T, scale=T, rule=self.rule)
        return self.Order(m, q)

    def domain(self, order, control):
        """Where the noise has a variance, and its response is positive."""
        q, (_, w, T) = order.self_overlap, control
        return (q > -ROUNDING) & (2 * w**2 * (1 - q**2) < T)

    def observables(self, order, control):
        """Energy per spin, d(f / T) / d(1 / T)."""
        return self.Observables(thermal_energy(self.free_energy, order, control))


def _field(order, control):
    """S, V and D."""
    (m, q), (alpha, w, T) = order, control
    response = 2 * w**2 * (1 - q**2) / T
    V = 4 * w**2 * m**4 * q + 8 * alpha * w**4 * q**3 / (1 - response) ** 2
    return 2 * m**3 * (1 + response), V, 1 - response
