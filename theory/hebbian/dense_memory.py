r"""Dense Hebbian networks that store patterns or learn archetypes from examples, replica-symmetric.

N spins s_i = +-1 that interact P at a time. There are K archetypes xi_i^mu = +-1, independent and
fair, of which M noisy examples eta_i^{mu a} = chi_i^{mu a} xi_i^mu are seen; chi = +-1 has the mean
r, the quality. With the class means x_i^mu = sum_a eta_i^{mu a} / (r M) the energy is

.. math:: H = -\frac{P!}{2 N^{P-1}} \sum_\mu \sum_{i_1 < ... < i_P}
              x_{i_1}^\mu ... x_{i_P}^\mu s_{i_1} ... s_{i_P}

(supervised), or the mean over a of the same with eta_i^{mu a} / r in place of x (unsupervised). At
r = 1 both store the archetypes. The load alpha is counted as K = (2 alpha / P!) N^(P-1), so that an
archetype has the energy -N / 2 for every P, and P = 2 is the Hopfield network; fewer archetypes
(K growing with a lower power of N) are alpha = 0. Temperatures are in units of the energy.

The energy ``indices="all"`` is -(N / 2) sum_mu n_mu^P with repeated indices kept, as in D. Krotov
and J. J. Hopfield, arXiv:1606.01164. For P >= 3 its other archetypes make more noise.

E. Gardner, J. Phys. A 20, 3453 (1987); E. Agliari et al., arXiv:2212.00606 (supervised) and
arXiv:2211.14067 (unsupervised); L. Albanese et al., arXiv:2111.12997. The equations here were
derived again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp

from thermolimit.leaves import check_word, leaf
from thermolimit.solvers import (
    Equilibrium,
    Interval,
    Label,
    SelfConsistent,
    SinhTrapezoid,
    expectation,
    monotone_root,
)
from thermolimit.solvers.quadrature import ROUNDING, GaussianRule

from .example_law import (
    Examples,
    Number,
    Quality,
    check_examples,
    class_means,
    dataset_entropy,
)
from .spins import (
    cold_response,
    cold_spin,
    log_2cosh,
    squared_response,
    tanh_moments,
    thermal_energy,
)

Protocol = Literal["supervised", "unsupervised"]
Law = Literal["storage", "binomial", "gauss"]
Indices = Literal["distinct", "all"]

ClassOverlap = Annotated[Number, Label("overlap with the mean of the examples over $r$, $n$")]
Overlap = Annotated[Number, Label("overlap with the archetype, $m$")]
SelfOverlap = Annotated[Number, Label("Edwards-Anderson overlap, $q$")]
Susceptibility = Annotated[Number, Label(r"susceptibility, $C = \lim (1 - q) / T$")]
Energy = Annotated[Number, Label("energy per spin, $u$; of an archetype $-1/2$")]
PatternLoad = Annotated[
    Number, Interval(0.0, inf, closed=True), Label(r"load, $\alpha = P! K / 2 N^{P-1}$")
]
Temperature = Annotated[Number, (0.0, inf), Label("temperature, $T$")]
ORDER = leaf("interaction_order", Annotated[int, Interval(2, inf, closed=True)])


@dataclass(frozen=True)
class Model:
    """Which network, and how its examples are described.

    Parameters
    ----------
    interaction_order : int
        P >= 2: how many spins interact.
    protocol : {"supervised", "unsupervised"}
        Whether the network knows which examples belong together.
    law : {"storage", "binomial", "gauss"}
        Of the class mean x: 1 (then quality and examples are 1); exact, for whole numbers of
        examples up to ``most_examples``; or Gaussian, of mean 1 and variance rho, for many.
    indices : {"distinct", "all"}
        Whether products with repeated indices are left out of the energy; P >= 3.
    most_examples : int
        Terms of the binomial law.
    """

    interaction_order: int = 3
    protocol: Protocol = "supervised"
    law: Law = "storage"
    indices: Indices = "distinct"
    most_examples: int = 64

    def __post_init__(self) -> None:
        ORDER.checked(self.interaction_order)
        for name, allowed in (("protocol", Protocol), ("law", Law), ("indices", Indices)):
            check_word(name, getattr(self, name), allowed)
        if self.interaction_order == 2 and self.indices == "all":
            raise ValueError("indices = 'all' differs from 'distinct' by a constant at P = 2")

    def check(self, quality, examples) -> None:
        """Raise ValueError for data that the law does not describe."""
        if self.law == "storage" and ((quality != 1) | (examples != 1)).any():
            raise ValueError("law = 'storage' has quality = 1 and examples = 1; choose another law")
        if self.law == "binomial":
            check_examples(examples, self.most_examples)

    def signal(self, class_overlap: Number) -> Number:
        """S = (P / 2) n^(P-1), the field of the retrieved class."""
        P = self.interaction_order
        return P / 2 * class_overlap ** (P - 1)

    def noise_powers(self, quality, examples) -> dict[int, Number]:
        """g(q) = sum of coefficients times q^k: the noise of other classes has variance g'(q) / 2.

        From the covariance N alpha g(q) / 2 of the energies of two states with overlap q. With all
        indices, y^P in Hermite polynomials of y.
        """
        P = self.interaction_order
        rho = dataset_entropy(quality, examples)
        found = {}
        for k in range(P, 0, -2) if self.indices == "all" else (P,):
            half = (P - k) // 2
            a = math.factorial(P) / (math.factorial(k) * math.factorial(half) * 2**half)
            if self.protocol == "supervised":
                weight = (1 + rho) ** P
            else:  # rho_k, of the k-fold products of examples
                products = (1 - quality ** (2 * k)) / (examples * quality ** (2 * k))
                weight = quality ** (-2.0 * (P - k)) * (1 + products)
            found[k] = a**2 * math.factorial(k) / math.factorial(P) * weight
        return found

    def eigenvalues(self, quality, examples) -> list[tuple[Number, Number]]:
        """Of the covariance of one class at P = 2: (eigenvalue, how often)."""
        rho = dataset_entropy(quality, examples)
        if self.protocol == "supervised":
            return [(1 + rho, jnp.ones_like(rho))]
        return [(1 + rho, jnp.ones_like(rho)), (rho, examples - 1.0)]


@dataclass(frozen=True)
class ReplicaSymmetric(Equilibrium):
    """Replica-symmetric dense network at T > 0.

    Parameters
    ----------
    model : Model
        Which network.
    rule : GaussianRule
        Quadrature over the noise of the classes that are not retrieved.

    Notes
    -----
    With S = (P / 2) n^(P-1) the field on a spin is h = S x + sqrt(V) z, z a standard normal, and

        n = E x tanh(h / T),    q = E tanh^2(h / T),    m = E tanh(h / T).

    For P >= 3, V = alpha g'(q) / 2 (``noise_powers``; distinct indices without noise in the
    examples: g = q^P). For P = 2, V = alpha sum_k lambda_k^2 q / D_k^2 with
    D_k = 1 - lambda_k (1 - q) / T over the ``eigenvalues``; solutions at D_k < 0 mean nothing.
    """

    model: Model = Model()
    rule: GaussianRule = SinhTrapezoid(101)

    class Order(NamedTuple):
        """Order parameters."""

        class_overlap: ClassOverlap
        self_overlap: SelfOverlap

    class Control(NamedTuple):
        """Control parameters."""

        pattern_load: PatternLoad
        temperature: Temperature
        quality: Quality = 1.0
        examples: Examples = 1.0

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        overlap: Overlap
        energy: Energy

    @property
    def starts(self):
        """The archetype; spin glass (exact at P = 2, if there is one); paramagnet."""
        glass = self._pair_glass if self.model.interaction_order == 2 else self.Order(0.0, 1.0)
        return {
            "retrieval": self.Order(1.0, 1.0),
            "spin_glass": glass,
            "paramagnet": self.Order(0.0, 0.0),
        }

    def check(self, control):
        """Refuse data that the law does not describe."""
        self.model.check(control["quality"], control["examples"])

    def free_energy(self, order, control):
        """Free energy per spin, stationary at the states."""
        n, q = order
        P, T = self.model.interaction_order, control.temperature
        _, noise = self._noise(q, control)
        return (P - 1) / 2 * n**P + noise - T * self._average(log_2cosh, order, control)[1]

    def update(self, order, control):
        """The self-consistency equations of n and q."""
        n, _, q = self._moments(order, control)
        return self.Order(n, q)

    def domain(self, order, control):
        """Where the noise has a variance and, at P = 2, its response is positive."""
        q, T = order.self_overlap, control.temperature
        inside = q > -ROUNDING
        if self.model.interaction_order == 2:
            for lam, _ in self.model.eigenvalues(control.quality, control.examples):
                inside &= lam * (1 - q) < T
        return inside

    def observables(self, order, control):
        """Overlap with the archetype; energy per spin, d(f / T) / d(1 / T)."""
        _, m, _ = self._moments(order, control)
        return self.Observables(m, thermal_energy(self.free_energy, order, control))

    def replicon(self, order, control):
        """Eigenvalue of the instability towards replica symmetry breaking; unstable if negative."""
        q, (alpha, T, quality, examples) = order.self_overlap, control
        _, noise = self._average(squared_response, order, control)
        if self.model.interaction_order == 2:
            pairs = self.model.eigenvalues(quality, examples)
            slope = sum(g * (lam / (1 - lam * (1 - q) / T)) ** 2 for lam, g in pairs)
        else:
            powers = self.model.noise_powers(quality, examples)
            slope = sum(k * (k - 1) / 2 * w * q ** max(k - 2, 0) for k, w in powers.items())
        return 1 - alpha * slope / T**2 * noise

    def _moments(self, order, control):
        """n, m and q of a thermal spin."""
        T, model = control.temperature, self.model
        (xm, xq), (m, q) = self._average(tanh_moments, order, control)
        if model.law == "gauss":  # E x f(x) = E f + rho E f'
            S = model.signal(order.class_overlap)
            return m + dataset_entropy(*control[2:]) * S / T * (1 - q), m, q
        return xm, m, q

    def _average(self, fn, order, control):
        """Means of x fn(h, T) and of fn(h, T); by the Gaussian law of fn(h, T) only, twice."""
        (_, q), (_, T, quality, examples) = order, control
        model, S = self.model, self.model.signal(order.class_overlap)
        V, _ = self._noise(q, control)
        if model.law != "binomial":
            rho = dataset_entropy(quality, examples) if model.law == "gauss" else 0.0
            mean = expectation(fn, S, V + rho * S**2, T, scale=T, rule=self.rule)
            return mean, mean
        x, chance = class_means(quality, examples, model.most_examples)
        values = jax.vmap(lambda x: expectation(fn, S * x, V, T, scale=T, rule=self.rule))(x)
        return (
            jax.tree.map(lambda value: jnp.sum(chance * x * value), values),
            jax.tree.map(lambda value: jnp.sum(chance * value), values),
        )

    def _noise(self, q, control):
        """Variance of the field of the other classes, and their part of the free energy."""
        alpha, T, quality, examples = control
        if self.model.interaction_order > 2:
            powers = self.model.noise_powers(quality, examples).items()
            variance = alpha / 2 * sum(k * w * q ** (k - 1) for k, w in powers)
            rest = sum(w * (1 - q**k - k * q ** (k - 1) * (1 - q)) for k, w in powers)
            return variance, -alpha / (4 * T) * rest
        pairs = self.model.eigenvalues(quality, examples)
        D = [1 - lam * (1 - q) / T for lam, _ in pairs]
        R = sum(g * lam**2 * q / d**2 for (lam, g), d in zip(pairs, D, strict=True))
        logs = sum(
            g * (T * jnp.log1p(-lam * (1 - q) / T) + lam * (1 - q / d))
            for (lam, g), d in zip(pairs, D, strict=True)
        )
        return alpha * R, alpha / 2 * (logs + R * (1 - q) / T)

    def _pair_glass(self, control):
        """The state with n = 0 and q > 0 at P = 2 if there is one, else q = 0 to rounding.

        Iteration is led to q = 0 through the poles at D_k = 0; at given width b = sqrt(V) / T of
        the field everything else is explicit, and the load increases with b.
        """
        alpha, T, quality, examples = control
        pairs = self.model.eigenvalues(quality, examples)
        largest = pairs[0][0]

        def glass(b, T):
            return expectation(
                tanh_moments, 0.0, b**2, jnp.ones_like(b), scale=1.0, rule=self.rule
            )[1]

        def excess_load(b, alpha, T):
            q = glass(b, T)
            D = 1 - largest * (1 - q) / T
            # without the pole: the load is negative below it
            R = sum(g * (lam * D / (1 - lam * (1 - q) / T)) ** 2 for lam, g in pairs)
            return b**2 * T**2 * D * jnp.abs(D) / (q * R) - alpha

        spread = sum(g * lam**2 for lam, g in pairs)
        upper = (jnp.sqrt(alpha * spread) + math.sqrt(2 / math.pi) * largest) / T
        b = monotone_root(excess_load, 1e-6, upper, alpha, T)
        return self.Order(jnp.zeros_like(b), glass(b, T))


@dataclass(frozen=True)
class ZeroTemperature(SelfConsistent):
    """The limit T -> 0 of ``ReplicaSymmetric``: q -> 1 with C = (1 - q) / T finite.

    Parameters
    ----------
    model : Model
        Which network.

    Notes
    -----
    The field h = S x + sqrt(V) z is Gaussian for every x, and everything is explicit:

        n = E x erf(S x / sqrt(2 V)),    C = E sqrt(2 / (pi V)) exp(-(S x)^2 / (2 V)),

    with V + rho S^2 in place of V, and x = 1, by the Gaussian law. For P >= 3, V = alpha g'(1) / 2;
    for P = 2, V = alpha sum_k (lambda_k / (1 - lambda_k C))^2. Replica symmetry is always broken.
    """

    model: Model = Model()

    class Order(NamedTuple):
        """Order parameters."""

        class_overlap: ClassOverlap
        susceptibility: Susceptibility

    class Control(NamedTuple):
        """Control parameters."""

        pattern_load: PatternLoad
        quality: Quality = 1.0
        examples: Examples = 1.0

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        overlap: Overlap

    @property
    def starts(self):
        """The archetype."""
        return {"retrieval": self.Order(1.0, 0.0)}

    def check(self, control):
        """Refuse data that the law does not describe."""
        self.model.check(control["quality"], control["examples"])

    def update(self, order, control):
        """The self-consistency equations of n and C."""
        x, chance, mean, variance = self._field(order, control)
        spin, density = cold_spin(mean, variance), cold_response(mean, variance)
        n, C = jnp.sum(chance * x * spin), jnp.sum(chance * density)
        if self.model.law == "gauss":
            n += dataset_entropy(*control[1:]) * self.model.signal(order.class_overlap) * C
        return self.Order(n, C)

    def domain(self, order, control):
        """Where the response of the noise is finite."""
        if self.model.interaction_order > 2:
            return True
        pairs = self.model.eigenvalues(control.quality, control.examples)
        return pairs[0][0] * order.susceptibility < 1

    def observables(self, order, control):
        """Overlap with the archetype."""
        _, chance, mean, variance = self._field(order, control)
        return self.Observables(jnp.sum(chance * cold_spin(mean, variance)))

    def free_energy(self, order, control):
        """Energy per spin of the state."""
        (n, C), (alpha, quality, examples) = order, control
        P = self.model.interaction_order
        _, chance, mean, variance = self._field(order, control)
        rest = 0.0
        if P == 2:
            pairs = self.model.eigenvalues(quality, examples)
            R = sum(g * (lam / (1 - lam * C)) ** 2 for lam, g in pairs)
            rest = alpha / 2 * (sum(g * (lam - lam / (1 - lam * C)) for lam, g in pairs) + R * C)
        largest = jnp.sum(chance * (mean * cold_spin(mean, variance)))
        spread = jnp.sum(chance * variance * cold_response(mean, variance))
        return (P - 1) / 2 * n**P - largest - spread + rest

    def _field(self, order, control):
        """x and its probability, and mean and variance of the field there."""
        alpha, quality, examples = control
        model, S = self.model, self.model.signal(order.class_overlap)
        if model.interaction_order > 2:
            powers = model.noise_powers(quality, examples).items()
            V = alpha / 2 * sum(k * w for k, w in powers)
        else:
            pairs = model.eigenvalues(quality, examples)
            V = alpha * sum(g * (lam / (1 - lam * order.susceptibility)) ** 2 for lam, g in pairs)
        if model.law == "binomial":
            x, chance = class_means(quality, examples, model.most_examples)
            return x, chance, S * x, jnp.broadcast_to(V, x.shape)
        x = chance = jnp.ones(1)
        rho = dataset_entropy(quality, examples) if model.law == "gauss" else 0.0
        return x, chance, (S * x), (V + rho * S**2) * x
