r"""Mixture states of dense Hebbian networks that store patterns: several have the same overlap.

The network of ``dense_memory`` at law = "storage". In a symmetric mixture n patterns have the same
overlap m, so that with S = (P / 2) m^(P-1) the field of the mixed patterns on a spin is S z, where
z is the sum of n fair signs: the entries of the patterns there. Spins follow the majority. Of an
even number of patterns there may be none, and their mixtures are unstable at P = 2.

D. J. Amit, H. Gutfreund and H. Sompolinsky, Phys. Rev. A 32, 1007 (1985), for P = 2 at finite K,
and Ann. Phys. 173, 30 (1987), for K proportional to N. Derived again, for any P.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from thermolimit.solvers import expectation

from . import dense_memory
from .dense_memory import Model
from .spins import cold_spin, response


@dataclass(frozen=True)
class ReplicaSymmetric(dense_memory.ReplicaSymmetric):
    """Symmetric mixture at T > 0.

    Parameters
    ----------
    model : Model
        Which network, of law = "storage".
    rule : GaussianRule
        Quadrature over the noise of the patterns that are not mixed.
    n_mixed : int
        n >= 1 patterns that have the overlap; the order parameter is that of each of them.

    Notes
    -----
    With h = S z + sqrt(V) g, g standard normal and V as in ``dense_memory``,

        m = E (z / n) tanh(h / T),    q = E tanh^2(h / T).

    Differences between the mixed patterns are taken as zero; they grow where ``splitting`` > 0.
    """

    n_mixed: int = 3

    def __post_init__(self) -> None:
        _check(self.model, self.n_mixed)

    @property
    def starts(self):
        """The majority of the mixed patterns, or none of them."""
        return {
            "mixture": self.Order(majority_overlap(self.n_mixed), 1.0),
            "paramagnet": self.Order(0.0, 0.0),
        }

    def free_energy(self, order, control):
        """Free energy per spin, stationary at the states."""
        P, m = self.model.interaction_order, order.class_overlap
        return super().free_energy(order, control) + (self.n_mixed - 1) * (P - 1) / 2 * m**P

    def splitting(self, order, control):
        """Rate at which a difference between two of the mixed patterns grows.

        (P / 2) (P - 1) m^(P-2) / T E (1 - xi_1 xi_2) (1 - tanh^2(h / T)) - 1.
        """
        P, n, T = self.model.interaction_order, self.n_mixed, control.temperature
        if n == 1:
            raise ValueError("a single pattern cannot split; n_mixed must be 2 or more")
        z, chance = _votes(n)
        apart = 1 - (z**2 - n) / (n * (n - 1))  # mean of 1 - xi_1 xi_2 at this sum
        share = jnp.sum(chance * apart * self._over_votes(response, order, control))
        return P / 2 * (P - 1) * order.class_overlap ** (P - 2) / T * share - 1

    def _moments(self, order, control):
        m, _, q = super()._moments(order, control)
        return m, m, q

    def _average(self, fn, order, control):
        """Means of (z / n) fn(h, T) and of fn(h, T)."""
        z, chance = _votes(self.n_mixed)
        values = self._over_votes(fn, order, control)
        return (
            jax.tree.map(lambda value: chance * z @ value / self.n_mixed, values),
            jax.tree.map(lambda value: chance @ value, values),
        )

    def _over_votes(self, fn, order, control):
        """Means of fn(h, T) over the noise at every sum z."""
        S = self.model.signal(order.class_overlap)
        V, _ = self._noise(order.self_overlap, control)
        T, (z, _) = control.temperature, _votes(self.n_mixed)
        return jax.vmap(lambda z: expectation(fn, S * z, V, T, scale=T, rule=self.rule))(z)


@dataclass(frozen=True)
class ZeroTemperature(dense_memory.ZeroTemperature):
    """The limit T -> 0 of ``ReplicaSymmetric``, for odd n.

    Parameters
    ----------
    model : Model
        Which network, of law = "storage".
    n_mixed : int
        n, odd.

    Notes
    -----
    m = E (z / n) erf(S z / sqrt(2 V)), and C and V as in ``dense_memory`` with z in place of x.
    """

    n_mixed: int = 3

    def __post_init__(self) -> None:
        _check(self.model, self.n_mixed)
        if self.n_mixed % 2 == 0:
            raise ValueError(f"n_mixed = {self.n_mixed} is even: the vote of some spins is a tie")

    @property
    def starts(self):
        """The majority of the mixed patterns."""
        return {"mixture": self.Order(majority_overlap(self.n_mixed), 0.0)}

    def update(self, order, control):
        """The self-consistency equations of m and C."""
        _, C = super().update(order, control)
        return self.Order(self.observables(order, control).overlap, C)

    def observables(self, order, control):
        """Overlap with each mixed pattern."""
        share, chance, mean, variance = self._field(order, control)
        return self.Observables(jnp.sum(chance * share * cold_spin(mean, variance)))

    def free_energy(self, order, control):
        """Energy per spin of the state."""
        P, m = self.model.interaction_order, order.class_overlap
        return super().free_energy(order, control) + (self.n_mixed - 1) * (P - 1) / 2 * m**P

    def _field(self, order, control):
        """z / n and its probability, and mean and variance of the field there."""
        *_, V = super()._field(order, control)
        z, chance = _votes(self.n_mixed)
        return (
            z / self.n_mixed,
            chance,
            self.model.signal(order.class_overlap) * z,
            V * jnp.ones_like(z),
        )


def majority_overlap(n_mixed: int) -> float:
    """Overlap of the majority of n fair signs with each of them; a tie counts as 0."""
    z, chance = _votes(n_mixed)
    return float(np.sum(chance * abs(z)) / n_mixed)


def _check(model: Model, n_mixed: int) -> None:
    if model.law != "storage":
        raise ValueError(f"law = {model.law!r}: mixtures are of stored patterns, law = 'storage'")
    if n_mixed < 1:
        raise ValueError(f"n_mixed = {n_mixed} is below 1")


def _votes(n_mixed: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of the sum of n fair signs, and their probabilities."""
    k = np.arange(n_mixed + 1)
    ways = [math.comb(n_mixed, int(j)) for j in k]
    return 2.0 * k - n_mixed, np.array(ways) / 2.0**n_mixed
