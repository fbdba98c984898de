r"""The Hopfield network at extensive load, replica-symmetric.

N spins s_i = +-1 and K = alpha N patterns xi_i^mu = +-1, independent and fair, with the energy

.. math:: H = -\frac{1}{2N} \sum_\mu \sum_{i \neq j} \xi_i^\mu \xi_j^\mu s_i s_j

(no self-coupling), temperatures in units of it with k_B = 1. One pattern is retrieved.

D. J. Amit, H. Gutfreund, H. Sompolinsky, Phys. Rev. Lett. 55, 1530 (1985) and Ann. Phys. 173, 30
(1987). The equations here were derived again and agree with theirs; the free energy includes the
constant of the removed diagonal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from jax.scipy.special import erf

from thermolimit.leaves import flags
from thermolimit.solvers import (
    Equilibrium,
    Label,
    SelfConsistent,
    SinhTrapezoid,
    Status,
    expectation,
    monotone_root,
)
from thermolimit.solvers.quadrature import ROUNDING, GaussianRule

from .spins import log_2cosh, squared_response, tanh_moments

Overlap = Annotated[Array | float, Label("overlap with the retrieved pattern, $m$")]
SelfOverlap = Annotated[Array | float, Label("Edwards-Anderson overlap, $q$")]
Crosstalk = Annotated[Array | float, Label(r"noise of the other patterns / $\alpha$, $r$")]
Susceptibility = Annotated[Array | float, Label(r"susceptibility, $C = \lim (1 - q) / T$")]
PatternLoad = Annotated[Array, (0.0, inf), Label(r"patterns per neuron, $\alpha$")]
Temperature = Annotated[Array, (0.0, inf), Label("temperature, $T$")]
Energy = Annotated[Array, Label("energy per spin, $u$")]


@dataclass(frozen=True)
class ReplicaSymmetric(Equilibrium):
    """Replica-symmetric Hopfield network at T > 0 (AGS 1987).

    Parameters
    ----------
    rule : GaussianRule
        Quadrature over the noise of the patterns that are not retrieved.

    Notes
    -----
    With D = 1 - (1 - q) / T, the field on a spin is h = m + sqrt(alpha r) z and

        m = E tanh(h / T),    q = E tanh^2(h / T),    r = q / D^2.

    The solutions at D < 0 mean nothing; ``domain`` keeps the solvers away from them.
    """

    rule: GaussianRule = SinhTrapezoid(101)

    class Order(NamedTuple):
        """Order parameters."""

        overlap: Overlap
        self_overlap: SelfOverlap
        crosstalk: Crosstalk

    class Control(NamedTuple):
        """Control parameters."""

        pattern_load: PatternLoad
        temperature: Temperature

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        energy: Energy

    @property
    def starts(self):
        """Stored pattern; spin glass (exact, if there is one); paramagnet."""
        return {
            "retrieval": self.Order(1.0, 1.0, 1.0),
            "spin_glass": self._spin_glass,
            "paramagnet": self.Order(0.0, 0.0, 0.0),
        }

    def free_energy(self, order, control):
        """Free energy per spin, stationary at the states (AGS 1987)."""
        m, q, r = order
        alpha, T = control
        D = 1 - (1 - q) / T
        log_cosh = expectation(log_2cosh, m, alpha * r, T, scale=T, rule=self.rule)
        return m**2 / 2 + alpha / 2 * (1 + T * jnp.log(D) - q / D + r * (1 - q) / T) - T * log_cosh

    def update(self, order, control):
        """The self-consistency equations of m, q, r."""
        m, q, r = order
        alpha, T = control
        m_new, q_new = expectation(tanh_moments, m, alpha * r, T, scale=T, rule=self.rule)
        return self.Order(m_new, q_new, q_new / (1 - (1 - q_new) / T) ** 2)

    def domain(self, order, control):
        """Where D > 0 and the noise has a variance."""
        _, q, r = order
        return (1 - q < control.temperature) & (r > -ROUNDING)

    def observables(self, order, control):
        """Energy per spin, d(f / T) / d(1 / T)."""
        m, q, r = order
        alpha, T = control
        D = 1 - (1 - q) / T
        return self.Observables(-(m**2) / 2 - alpha / 2 * (1 / D - 1 + r * (1 - q) / T))

    def replicon(self, order, control):
        """Eigenvalue of the instability towards replica symmetry breaking; unstable if negative."""
        m, q, r = order
        alpha, T = control
        D = 1 - (1 - q) / T
        noise = expectation(squared_response, m, alpha * r, T, scale=T, rule=self.rule)
        return 1 - alpha / (T * D) ** 2 * noise

    def _spin_glass(self, control):
        """The state with m = 0 and q > 0 if there is one, else q = 0 to rounding.

        Iteration from a guess is led to q = 0 through the pole at D = 0. But at given width
        b = sqrt(alpha r) / T of the field everything else is explicit, and the load increases
        with b; its largest possible value is (sqrt(alpha) + sqrt(2 / pi)) / T.
        """
        alpha, T = control

        def excess_load(b, alpha, T):
            q, D = self._glass_at_width(b, T)
            return b**2 * T**2 * D * jnp.abs(D) / q - alpha

        upper = (jnp.sqrt(alpha) + math.sqrt(2 / math.pi)) / T
        b = monotone_root(excess_load, 1e-6, upper, alpha, T)
        q, D = self._glass_at_width(b, T)
        return self.Order(jnp.zeros_like(q), q, q / D**2)

    def _glass_at_width(self, b, T):
        _, q = expectation(tanh_moments, 0.0, b**2, jnp.ones_like(b), scale=1.0, rule=self.rule)
        return q, 1 - (1 - q) / T


@dataclass(frozen=True)
class ZeroTemperature(SelfConsistent):
    """The limit T -> 0 of ``ReplicaSymmetric`` (AGS 1987): q -> 1 with C = (1 - q) / T finite.

    Notes
    -----
    With V = alpha r, the variance of the noise,

        m = erf(m / sqrt(2 V)),    C = sqrt(2 / (pi V)) exp(-m^2 / (2 V)),    r = 1 / (1 - C)^2.

    Replica symmetry is always broken here, by little in the retrieval state.
    """

    class Order(NamedTuple):
        """Order parameters."""

        overlap: Overlap
        susceptibility: Susceptibility
        crosstalk: Crosstalk

    class Control(NamedTuple):
        """Control parameters."""

        pattern_load: PatternLoad

    @property
    def starts(self):
        """Stored pattern; spin glass, in closed form."""
        return {"retrieval": self.Order(1.0, 0.0, 1.0), "spin_glass": self._spin_glass}

    def update(self, order, control):
        """The self-consistency equations of m, C, r."""
        m, _, r = order
        V = control.pattern_load * r
        C_new = jnp.sqrt(2 / (jnp.pi * V)) * jnp.exp(-(m**2) / (2 * V))
        return self.Order(erf(m / jnp.sqrt(2 * V)), C_new, 1 / (1 - C_new) ** 2)

    def domain(self, order, control):
        """Where the response of the noise is finite."""
        _, C, r = order
        return (C < 1) & (r > 0)

    def free_energy(self, order, control):
        """Energy per spin of the state."""
        m, C, r = order
        alpha = control.pattern_load
        return -(m**2) / 2 - alpha / 2 * (1 / (1 - C) - 1 + C * r)

    def _spin_glass(self, control):
        root = jnp.sqrt(jnp.pi * control.pattern_load / 2)
        C = 1 / (1 + root)
        return self.Order(jnp.zeros_like(C), C, 1 / (1 - C) ** 2)


class GlassTransition(NamedTuple):
    """Where the paramagnet becomes unstable."""

    temperature: Temperature


@jax.jit
def glass_transition(pattern_load: PatternLoad) -> GlassTransition:
    """T_g = 1 + sqrt(alpha): the paramagnet is stable above, the spin glass exists below."""
    return GlassTransition(1 + jnp.sqrt(pattern_load))


PHASES = ("undecided", "paramagnet", "spin_glass", "metastable_retrieval", "retrieval")


def phases(data: xr.Dataset) -> xr.DataArray:
    """Phase at each point, from all three starts.

    Parameters
    ----------
    data : xarray.Dataset
        ``saddle_points(ReplicaSymmetric(), ...)`` with all starts.

    Returns
    -------
    xarray.DataArray
        Codes with CF flag attributes: ``retrieval`` where that state has the lowest free energy,
        ``metastable_retrieval`` where it exists only, else ``spin_glass`` or ``paramagnet``;
        ``undecided`` where no stable state was found.
    """
    stable = (data["status"] == Status.OK) & (data["growth_rate"] < 0)
    retrieved = stable & (data["overlap"] > 0.1)
    disordered = stable & ~retrieved
    lowest = data["free_energy"].where(disordered).min("start")
    exists = retrieved.any("start")
    lowest_retrieval = data["free_energy"].where(retrieved).min("start")
    glassy = (disordered & (data["self_overlap"] > 1e-6)).any("start")
    phase = xr.zeros_like(exists, dtype=np.int8)
    phase = phase.where(~disordered.any("start"), 1).where(~glassy, 2).where(~exists, 3)
    phase = phase.where(~exists | (lowest_retrieval > lowest), 4).astype(np.int8)
    return phase.assign_attrs(flags("phase", PHASES)).rename("phase")
