r"""Single examples as states of an unsupervised dense network, next to archetypes.

The network of ``dense_memory`` has seen M examples eta^a of one archetype, of quality r, and does
not know that they belong together. Few archetypes (alpha = 0) make no noise, and with the overlaps
n_a of the state with the examples

.. math:: H = -\frac{N}{2 M r^P} \sum_a n_a^P.

In the state of the first example n_1 is larger than all others, which are equal; at the archetype
all are equal. An example at T = 0, n_1 = 1 and n_a = r^2, has the energy
-(1 / M r^P + (1 - 1 / M) r^P) / 2 per spin: where M r^P is below about 1 it lies deeper than the
archetype, at -1 / 2 for many examples. A supervised network only knows the class mean, and has no
such states.

E. Agliari et al., arXiv:2211.14067, for the network; the equations here were derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, NamedTuple

import jax.numpy as jnp

from thermolimit.solvers import Equilibrium, Interval, Label

from .dense_memory import Energy, Model, Overlap, Temperature
from .example_law import Examples, Number, Quality, class_means

OneOverlap = Annotated[Number, Label("overlap with one example, $n_1$")]
OtherOverlap = Annotated[Number, Label("overlap with every other example, $n_2$")]
ClassOverlap = Annotated[Number, Label("overlap with the mean of the examples, $n$")]
Several = Annotated[Examples, Interval(2.0, inf, closed=True)]


@dataclass(frozen=True)
class SingleExample(Equilibrium):
    """States of an unsupervised network, one example apart, at T > 0 and alpha = 0.

    Parameters
    ----------
    interaction_order : int
        P >= 2.
    most_examples : int
        Terms of the binomial law, at least M - 1.

    Notes
    -----
    With c = P / (2 M r^P) and Y the sum of the other M - 1 examples on a spin, the field is
    h = c (eta_1 n_1^(P-1) + Y n_2^(P-1)), and

        n_1 = E eta_1 tanh(h / T),    n_2 = E Y tanh(h / T) / (M - 1),    m = E xi tanh(h / T).
    """

    interaction_order: int = 3
    most_examples: int = 64

    class Order(NamedTuple):
        """Order parameters."""

        one_overlap: OneOverlap
        other_overlap: OtherOverlap

    class Control(NamedTuple):
        """Control parameters."""

        temperature: Temperature
        quality: Quality
        examples: Several

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        overlap: Overlap
        class_overlap: ClassOverlap
        energy: Energy

    @property
    def starts(self):
        """The first example; the archetype."""
        return {
            "example": lambda control: self.Order(
                jnp.ones_like(control.quality), control.quality**2
            ),
            "archetype": lambda control: self.Order(control.quality, control.quality),
        }

    def check(self, control):
        """Refuse numbers of examples that are not enumerated."""
        Model(law="binomial", most_examples=self.most_examples).check(
            control["quality"], control["examples"]
        )

    def free_energy(self, order, control):
        """Free energy per spin, stationary at the states."""
        T = control.temperature
        chance, _, _, h = self._spins(order, control)
        logs = jnp.sum(chance * jnp.logaddexp(h / T, -h / T))
        return -(self.interaction_order - 1) * self._energy(order, control) - T * logs

    def update(self, order, control):
        """The self-consistency equations of n_1 and n_2."""
        chance, eta, others, h = self._spins(order, control)
        spin = chance * jnp.tanh(h / control.temperature)
        return self.Order(jnp.sum(spin * eta), jnp.sum(spin * others) / (control.examples - 1))

    def observables(self, order, control):
        """Overlaps with the archetype and the class mean; energy per spin."""
        chance, _, _, h = self._spins(order, control)
        m = jnp.sum(chance * jnp.tanh(h / control.temperature))
        M, r = control.examples, control.quality
        n = (order.one_overlap + (M - 1) * order.other_overlap) / (M * r)
        return self.Observables(m, n, self._energy(order, control))

    def _energy(self, order, control):
        P, (_, r, M) = self.interaction_order, control
        return -(order.one_overlap**P + (M - 1) * order.other_overlap**P) / (2 * M * r**P)

    def _spins(self, order, control):
        """Of all kinds of spins on the archetype 1: probability, eta_1, Y and field, (2, terms)."""
        P, (_, r, M) = self.interaction_order, control
        x, of_others = class_means(r, M - 1, self.most_examples)
        eta = jnp.array([[1.0], [-1.0]])
        others = jnp.round(x * r * (M - 1))[None, :]
        chance = (1 + eta * r) / 2 * of_others[None, :]
        first, second = (n ** (P - 1) for n in order)
        return chance, eta, others, P / (2 * M * r**P) * (eta * first + others * second)
