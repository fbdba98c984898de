r"""Multitasking Hebbian networks: diluted patterns, several of which are retrieved at once.

N spins s_i = +-1 and K patterns, K finite, whose entries are blank (0) with probability d, the
dilution, and otherwise +-1 with equal probability. Spins that one pattern leaves blank are free to
serve another one. The network has seen noisy examples of every pattern and couples by their class
means x_i^mu (blank where the pattern is blank),

.. math:: H = -\frac{1}{2N} \sum_\mu \sum_{i \neq j} x_i^\mu x_j^\mu s_i s_j,

temperatures in units of it with k_B = 1. With noiseless examples x = xi, the network stores the
patterns. M examples per pattern, each entry right with probability (1 + r) / 2, are divided by
their quality r: x = (2k - M) xi / (r M) with binomial k. Of many examples only their entropy
rho = (1 - r^2) / (M r^2) matters: x = xi (1 + sqrt(rho) g) with standard normal g. At finite K
supervised and unsupervised learning have the same equations.

E. Agliari et al., arXiv:1111.5191 and arXiv:1304.4488 (storage), arXiv:2308.04106 (learning). The
equations here were derived again. Some of these works measure temperatures in units of
(1 - d) (1 + rho) and overlaps in units of 1 - d.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thermolimit.leaves import check_word, flags, leaf
from thermolimit.solvers import (
    Equilibrium,
    Interval,
    Label,
    SelfConsistent,
    SinhTrapezoid,
    Status,
    expectation,
)
from thermolimit.solvers.quadrature import GaussianRule

from .example_law import Examples, Number, Quality, check_examples, class_means
from .spins import TINY, cold_response, cold_spin, log_2cosh

MOST_PATTERNS = 10  # 3^10 entries of all patterns on a spin
MOST_MEANS = 3  # patterns whose exact class means can be enumerated
SERVED = 1e-3  # an overlap above this, in units of 1 - d, is not zero
ALIKE = 1e-6  # overlaps that differ by less are equal

Law = Literal["storage", "gauss", "binomial"]

ClassOverlaps = Annotated[
    Array | np.ndarray, "pattern", Label(r"overlaps with the means of the examples, $n_\mu$")
]
Overlaps = Annotated[Array, "pattern", Label(r"overlaps with the patterns, $m_\mu$")]
Energy = Annotated[Number, Label("energy per spin, $u$")]
Loss = Annotated[Number, Label(r"loss, $\sum_\mu |x^\mu - s|^2 |x^\mu + s|^2 / 4 N^2$")]
Dilution = Annotated[Number, Interval(0.0, 0.999999, closed=True), Label("dilution, $d$")]
Temperature = Annotated[Number, (0.0, inf), Label("temperature, $T$")]
Entropy = Annotated[
    Number, Interval(0.0, inf, closed=True), Label(r"entropy of the examples, $\rho$")
]
Noise = Annotated[Number, Interval(1e-8, inf, closed=True), Label(r"entropy of examples, $\rho$")]


def _check_patterns(n_patterns: int, most: int) -> None:
    allowed = Annotated[int, Interval(1, most, closed=True)]
    leaf("n_patterns", allowed).checked(n_patterns)


@dataclass(frozen=True)
class Multitasking(Equilibrium):
    """Multitasking network at T > 0.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 10.
    law : {"storage", "gauss", "binomial"}
        Of the class means: noiseless; Gaussian with the control parameter ``entropy``; or exact,
        with ``quality`` and a whole number of ``examples``, for up to 3 patterns.
    most_examples : int
        Terms of the binomial law.
    rule : GaussianRule
        Quadrature over the noise of the examples; used by the Gaussian law only.

    Notes
    -----
    With the field h = sum_mu x_mu n_mu on a spin, averages over patterns and examples, the free
    energy per spin is f = sum_mu n_mu^2 / 2 - T E log(2 cosh(h / T)), and

        n_mu = E x_mu tanh(h / T),    m_mu = E xi_mu tanh(h / T).

    By the Gaussian law, given the patterns, h has the mean xi.n and the variance
    rho sum_mu xi_mu^2 n_mu^2, and n_mu = m_mu + rho n_mu E xi_mu^2 (1 - tanh^2(h / T)) / T.
    """

    n_patterns: int = 2
    law: Law = "gauss"
    most_examples: int = 64
    rule: GaussianRule = SinhTrapezoid(101)

    class Order(NamedTuple):
        """Order parameters."""

        class_overlaps: ClassOverlaps

    class Control(NamedTuple):
        """Control parameters."""

        dilution: Dilution
        temperature: Temperature
        entropy: Entropy = 0.0
        quality: Quality = 1.0
        examples: Examples = 1.0

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        overlaps: Overlaps
        energy: Energy
        loss: Loss

    def __post_init__(self) -> None:
        check_word("law", self.law, Law)
        most = MOST_MEANS if self.law == "binomial" else MOST_PATTERNS
        _check_patterns(self.n_patterns, most)

    @property
    def starts(self):
        """One pattern; each on spins that former ones leave blank; all alike; two; none."""
        K = self.n_patterns
        return _starts(self.Order, K) | {"ergodic": self.Order(np.zeros(K))}

    def check(self, control):
        """Refuse data that the law does not describe."""
        learned = (control["quality"] != 1).any() or (control["examples"] != 1).any()
        if self.law != "binomial" and learned:
            raise ValueError("quality and examples belong to law = 'binomial'")
        if self.law != "gauss" and (control["entropy"] != 0).any():
            raise ValueError("entropy belongs to law = 'gauss'")
        if self.law == "binomial":
            check_examples(control["examples"], self.most_examples)

    def free_energy(self, order, control):
        """Free energy per spin, stationary at the states."""
        (n,), T = order, control.temperature
        logs, weights = self._over_spins(log_2cosh, order, control)[:2]
        return n @ n / 2 - T * (weights @ logs)

    def update(self, order, control):
        """The self-consistency equations of the class overlaps."""
        return self.Order(self._overlaps(order, control)[0])

    def observables(self, order, control):
        """Overlaps with the patterns; energy per spin, d(f / T) / d(1 / T); loss.

        The loss is sum_mu ((1 + E x_mu^2) / 2)^2 - n_mu^2.
        """
        n, m = order.class_overlaps, self._overlaps(order, control)[1]
        weights, x, _ = self._kinds(control, n.dtype)
        square = weights @ x**2  # by the Gaussian law x stands for the pattern here
        if self.law == "gauss":
            square *= 1 + control.entropy
        return self.Observables(m, -(n @ n) / 2, jnp.sum(((1 + square) / 2) ** 2) - n @ n)

    def _overlaps(self, order, control):
        """n and m by their self-consistency equations."""
        (n,), T = order, control.temperature
        (spin, response), weights, x, xi = self._over_spins(_spin_and_response, order, control)
        m = (weights * spin) @ xi
        if self.law == "gauss":
            return m + control.entropy / T * n * ((weights * response) @ xi**2), m
        return (weights * spin) @ x, m

    def _over_spins(self, fn, order, control):
        """``fn(h, T)`` on all kinds of spins, their weights, and x and the mean xi there."""
        (n,), T = order, control.temperature
        weights, x, xi = self._kinds(control, n.dtype)
        if self.law != "gauss":
            return fn(x @ n, T), weights, x, xi
        variance = control.entropy * (x**2 @ n**2)
        mean = jax.vmap(lambda h, v: expectation(fn, h, v, T, scale=T, rule=self.rule))
        return mean(x @ n, variance), weights, x, xi

    def _kinds(self, control, dtype):
        """Weights (spins,), class means and mean patterns given them (spins, K)."""
        if self.law != "binomial":
            xi = jnp.asarray(_patterns(self.n_patterns), dtype)
            return _weights(self.n_patterns, control.dilution), xi, xi
        x, xi, first, other = self._class_means(control)
        places = np.indices((len(x),) * self.n_patterns).reshape(self.n_patterns, -1).T
        weights = _products(first, other, self.n_patterns)
        return weights, x[places], xi[places]

    def _class_means(self, control):
        """Values of one x, the mean xi given them, their weights in the first and other patterns.

        In the first pattern xi is not -1: the reflection of a spin with all its entries is another
        spin of the same kind.
        """
        d = control.dilution
        means, chance = class_means(control.quality, control.examples, self.most_examples)
        blank, one = jnp.zeros(1, means.dtype), jnp.ones_like(means)
        x = jnp.concatenate([blank, means, -means])
        xi = jnp.concatenate([blank, one, -one])
        kept, empty = (1 - d) * chance, d * jnp.ones(1, means.dtype)
        first = jnp.concatenate([empty, kept, jnp.zeros_like(kept)])
        other = jnp.concatenate([empty, kept / 2, kept / 2])
        return x, xi, first, other


@dataclass(frozen=True)
class Parallel(Equilibrium):
    """States of ``Multitasking`` in which some patterns have the same overlap and the others none.

    Where such a state becomes unstable several directions are soft at once, so that it is located
    as a zero of ``splitting`` or ``recruiting``. One served pattern is the pure state, all of them
    are the symmetric one.

    Parameters
    ----------
    model : Multitasking
        Which network.
    served : int
        How many patterns have the overlap, from 1 to K.
    """

    model: Multitasking = Multitasking()
    served: int = 1

    class Order(NamedTuple):
        """Order parameters."""

        class_overlap: Annotated[Number, Label("overlap with each served class mean, $n$")]

    Control = Multitasking.Control

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        energy: Energy

    def __post_init__(self) -> None:
        if not 1 <= self.served <= self.model.n_patterns:
            raise ValueError(f"served = {self.served} is outside [1, {self.model.n_patterns}]")

    @property
    def starts(self):
        """Some patterns, or none."""

        def retrieved(control):
            return self.Order((1 - control.dilution) * self.served**-0.5)

        return {"retrieved": retrieved, "ergodic": self.Order(0.0)}

    def check(self, control):
        """Refuse data that the law does not describe."""
        self.model.check(control)

    def free_energy(self, order, control):
        """Free energy per spin, stationary at the states."""
        return self.model.free_energy(self._whole(order), control)

    def update(self, order, control):
        """The self-consistency equation of the common overlap."""
        moved = self.model.update(self._whole(order), control).class_overlaps
        return self.Order(jnp.mean(moved[: self.served]))

    def observables(self, order, control):
        """Energy per spin."""
        return self.Observables(-self.served * order.class_overlap**2 / 2)

    def splitting(self, order, control):
        """Rate at which a difference between two of the served patterns grows."""
        last, first = self.served - 1, self.served - 2
        if first < 0:
            raise ValueError("a single pattern cannot split; served must be 2 or more")
        return self._growth(order, control, {last: 1.0, first: -1.0}) / 2 - 1

    def recruiting(self, order, control):
        """Rate at which the overlap with a pattern grows that is not yet served."""
        if self.served == self.model.n_patterns:
            raise ValueError("all patterns are served; n_patterns must be larger")
        return self._growth(order, control, {self.served: 1.0}) - 1

    def _growth(self, order, control, components):
        """v.(dF/dn v) for the direction v with these components."""
        direction = np.zeros(self.model.n_patterns)
        direction[list(components)] = list(components.values())
        whole = self._whole(order)
        along = self.model.Order(jnp.asarray(direction, whole.class_overlaps.dtype))
        moved = jax.jvp(lambda x: self.model.update(x, control), (whole,), (along,))[1]
        return along.class_overlaps @ moved.class_overlaps

    def _whole(self, order):
        n = jnp.asarray(order.class_overlap)
        chosen = np.arange(self.model.n_patterns) < self.served
        return self.model.Order(n * jnp.asarray(chosen, n.dtype))


def _starts(Order, K: int):
    """Starts that are states somewhere; none of them larger than 1 - d.

    Where two starts lead to the pure state it is as near to the first as to the second one.
    """

    def begin(shape):
        return lambda control: Order((1 - control.dilution) * shape(control.dilution))

    found = {
        "pure": begin(lambda d: jnp.eye(K, dtype=jnp.result_type(float, d))[0]),
        "hierarchical": begin(lambda d: d ** jnp.arange(K, dtype=jnp.result_type(float, d))),
        "symmetric": begin(lambda d: jnp.full(K, K**-0.5, jnp.result_type(float, d))),
    }
    if K > 2:
        two = np.where(np.arange(K) < 2, 2**-0.5, 0.0)
        found["pairs"] = begin(lambda d: jnp.asarray(two, jnp.result_type(float, d)))
    return found


def _patterns(K: int) -> np.ndarray:
    """Entries of all patterns on a spin, (2 * 3^(K - 1), K); the first one is not negative.

    The reflection of a spin with all its entries is another spin of the same kind, and nothing
    changes under it.
    """
    places = np.indices((2, *[3] * (K - 1))).reshape(K, -1).T
    return np.array([0.0, 1.0, -1.0])[places]


def _weights(K: int, d) -> Array:
    """Probabilities of ``_patterns``, reflections included."""
    first, other = jnp.stack([d, 1 - d]), jnp.stack([d, (1 - d) / 2, (1 - d) / 2])
    return _products(first, other, K)


def _products(first: Array, other: Array, K: int) -> Array:
    weights = first
    for _ in range(K - 1):
        weights = (weights[:, None] * other[None, :]).ravel()
    return weights


def _spin_and_response(h, T):
    spin = jnp.tanh(h / T)
    return spin, 1 - spin**2


@dataclass(frozen=True)
class ZeroTemperature(SelfConsistent):
    """The limit T -> 0 of ``Multitasking`` with the Gaussian law, rho > 0.

    Parameters
    ----------
    n_patterns : int
        K, from 1 to 10.

    Notes
    -----
    With the standard deviation sigma = sqrt(rho sum_mu xi_mu^2 n_mu^2) of the field on a spin,

        m_mu = E xi_mu erf(xi.n / (sqrt(2) sigma)),
        n_mu = m_mu + rho n_mu E xi_mu^2 sqrt(2 / pi) exp(-(xi.n)^2 / (2 sigma^2)) / sigma.

    Without noise a spin follows the sign of xi.n, and a state exists where that is nowhere zero;
    see ``hierarchy``.
    """

    n_patterns: int = 2

    class Order(NamedTuple):
        """Order parameters."""

        class_overlaps: ClassOverlaps

    class Control(NamedTuple):
        """Control parameters."""

        dilution: Dilution
        entropy: Noise

    class Observables(NamedTuple):
        """What can be measured but is no order parameter."""

        overlaps: Overlaps

    def __post_init__(self) -> None:
        _check_patterns(self.n_patterns, MOST_PATTERNS)

    @property
    def starts(self):
        """One pattern; each on spins that former ones leave blank; all alike; two."""
        return _starts(self.Order, self.n_patterns)

    def update(self, order, control):
        """The self-consistency equations of the class overlaps."""
        weights, xi, _, spin, density = self._field(order, control)
        n = order.class_overlaps
        response = (weights * density) @ xi**2
        return self.Order((weights * spin) @ xi + control.entropy * n * response)

    def observables(self, order, control):
        """Overlaps with the patterns."""
        weights, xi, _, spin, _ = self._field(order, control)
        return self.Observables((weights * spin) @ xi)

    def free_energy(self, order, control):
        """Energy per spin, sum_mu n_mu^2 / 2 - E |h|."""
        weights, xi, variance, spin, density = self._field(order, control)
        n = order.class_overlaps
        return n @ n / 2 - weights @ ((xi @ n) * spin + variance * density)

    def _field(self, order, control):
        """Weights and entries of the patterns; variance of h, mean and response of its sign."""
        n = order.class_overlaps
        xi = jnp.asarray(_patterns(self.n_patterns), n.dtype)
        mean, variance = xi @ n, control.entropy * (xi**2 @ n**2)
        # a blank spin, and one on which no pattern is retrieved, feels nothing
        density = jnp.where(variance > TINY, cold_response(mean, variance), 0.0)
        weights = _weights(self.n_patterns, control.dilution)
        return weights, xi, variance, cold_spin(mean, variance), density


class ErgodicityBreaking(NamedTuple):
    """Where the ergodic state becomes unstable, and what follows it."""

    temperature: Temperature


class Selection(NamedTuple):
    """Which state follows the ergodic one."""

    dilution: Dilution


class Hierarchy(NamedTuple):
    """The hierarchical state at T = 0 without noise."""

    overlaps: Overlaps
    margin: Annotated[Number, Label("smallest field on a spin; the state exists if > 0")]


@jax.jit
def ergodicity_breaking(dilution: Dilution, entropy: Entropy = 0.0) -> ErgodicityBreaking:
    """T_c = (1 - d) (1 + rho), for every K: the ergodic state is stable above."""
    return ErgodicityBreaking((1 - dilution) * (1 + entropy))


@jax.jit
def selection(entropy: Entropy = 0.0) -> Selection:
    """d_s = 1 - (1 + 6 rho + 3 rho^2) / (3 (1 + rho)^2), for every K >= 2 and the Gaussian law.

    Just below T_c the pure state is stable for d < d_s, the symmetric one for d > d_s.
    """
    return Selection(1 - (1 + 6 * entropy + 3 * entropy**2) / (3 * (1 + entropy) ** 2))


@partial(jax.jit, static_argnames="n_patterns")
def hierarchy(dilution: Dilution, *, n_patterns: int) -> Hierarchy:
    """Every spin follows its first pattern that is not blank: m_k = (1 - d) d^(k - 1).

    The spins with the first pattern against all others feel 1 - 2 d + d^K, which must be positive.
    """
    overlaps = (1 - dilution) * dilution ** jnp.arange(n_patterns, dtype=jnp.result_type(dilution))
    return Hierarchy(overlaps, 1 - 2 * dilution + dilution**n_patterns)


PHASES = ("undecided", "ergodic", "pure", "hierarchical", "mixed", "symmetric")


def phases(data: xr.Dataset) -> xr.DataArray:
    """Phase at each point: what the stable state of lowest free energy serves.

    Parameters
    ----------
    data : xarray.Dataset
        One state per point: ``descend(theory, saddle_points(theory, ...))`` with a
        ``Multitasking`` theory and all its starts.

    Returns
    -------
    xarray.DataArray
        Codes with CF flag attributes: ``ergodic`` (no pattern is retrieved), ``pure`` (one),
        ``hierarchical`` (several, with different overlaps), ``symmetric`` (all, with the same),
        ``mixed`` (anything between these two); ``undecided`` where no stable state was found.
    """
    overlaps = abs(data["class_overlaps"]) / (1 - data["dilution"])
    served = (overlaps > SERVED).sum("pattern")
    ordered = overlaps.copy(data=np.sort(overlaps.values, axis=overlaps.get_axis_num("pattern")))
    steps = ordered.diff("pattern").where(ordered.isel(pattern=slice(1, None)) > SERVED)
    alike = (steps < ALIKE).sum("pattern")
    phase = xr.full_like(served, PHASES.index("mixed"), dtype=np.int8)
    phase = phase.where(alike > 0, PHASES.index("hierarchical"))
    every = (served == data.sizes["pattern"]) & (alike == data.sizes["pattern"] - 1)
    phase = phase.where(~every, PHASES.index("symmetric"))
    for count, name in enumerate(("ergodic", "pure")):
        phase = phase.where(served != count, PHASES.index(name))
    stable = (data["status"] == Status.OK) & (data["growth_rate"] < 0)
    phase = phase.where(stable, PHASES.index("undecided")).astype(np.int8)
    return phase.assign_attrs(flags("phase", PHASES)).rename("phase")
