r"""How many examples a dense Hebbian network needs, at zero temperature.

By the Gaussian law of the class means, and for P >= 3 interacting spins, the retrieval state of
``dense_memory.ZeroTemperature`` is explicit in t, the ratio of signal to noise in the field of a
spin: with rho the entropy of the data,

.. math:: m = \mathrm{erf}\, t, \quad n = m + \rho\, h, \quad h = 2 t e^{-t^2} / \sqrt{\pi}, \quad
          \alpha w = \frac{P}{4} n^{2 P - 2} \left( \frac{1}{t^2} - 2 \rho \right),

and w is the noise of one class: (1 + rho)^P if learned with supervision, and without it 1 + rho_P,
rho_P = (1 - r^(2P)) / (M r^(2P)). The state ends at the largest load.

The learning thresholds are those that E. Agliari et al., arXiv:2212.00606 (supervised) and
arXiv:2211.14067 (unsupervised), ask for; the equations were derived again.
"""

from __future__ import annotations

import math
from functools import partial
from math import inf
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf, erfinv

from thermolimit.solvers import Interval, Label, monotone_root

from .dense_memory import ClassOverlap, Model, Overlap, PatternLoad, Protocol
from .example_law import Examples, Number, Quality, dataset_entropy

Capacity = Annotated[Number, (0.0, inf), Label(r"largest load that is retrieved, $\alpha_s$")]
Accuracy = Annotated[Number, (0.0, 1.0), Label("overlap that is asked for, $m^*$")]
SpinsAtOnce = Annotated[int, Interval(3, inf, closed=True), Label("interaction order, $P$")]

WEAKEST, STRONGEST = 1e-8, 100.0  # t; m is 0 and 1 there to rounding


class Spinodal(NamedTuple):
    """Where the retrieval state ends."""

    capacity: Capacity
    overlap: Overlap
    class_overlap: ClassOverlap


class Retrieval(NamedTuple):
    """The retrieval state."""

    overlap: Overlap
    class_overlap: ClassOverlap


class Needed(NamedTuple):
    """How much data it takes."""

    examples: Annotated[Number, Label("examples per class, $M$")]


@partial(jax.jit, static_argnames=("interaction_order", "protocol"))
def spinodal_load(
    quality: Quality,
    examples: Examples,
    *,
    interaction_order: SpinsAtOnce = 3,
    protocol: Protocol = "supervised",
) -> Spinodal:
    """The largest load at which learned archetypes are retrieved at T = 0.

    Parameters
    ----------
    quality, examples : float
        r in (0, 1] and M >= 1, a real number; at r = 1 the archetypes are stored.
    interaction_order : int
        P >= 3.
    protocol : {"supervised", "unsupervised"}
        Whether the network knows which examples belong together.

    Returns
    -------
    Spinodal
        The load alpha_s, and m and n there.

    Notes
    -----
    There is one maximum: both factors on the left of (P - 1) (t n' / n) (1 - 2 rho t^2) = 1
    decrease with t. With supervision everything depends on rho; alpha_s falls from the capacity of
    stored patterns at rho = 0 to (P / (2 (P - 1))) (2 / pi)^(P - 1) ((P - 2) / (P - 1))^(P - 2) at
    rho -> infinity, where the state is that of the empirical mean sign(x) and m -> 0.
    """
    P, rho = interaction_order, dataset_entropy(quality, examples)
    t = _weakest(rho, P)
    weight = _weight(quality, examples, P, protocol)
    return Spinodal(_load(t, rho, P) / weight, *_overlaps(t, rho))


@partial(jax.jit, static_argnames=("interaction_order", "protocol"))
def retrieval(
    pattern_load: PatternLoad,
    quality: Quality,
    examples: Examples,
    *,
    interaction_order: SpinsAtOnce = 3,
    protocol: Protocol = "supervised",
) -> Retrieval:
    """Overlaps with archetype and class mean at T = 0, however noisy the examples are.

    Parameters
    ----------
    pattern_load, quality, examples : float
        alpha, r and M.
    interaction_order : int
        P >= 3.
    protocol : {"supervised", "unsupervised"}
        Whether the network knows which examples belong together.

    Returns
    -------
    Retrieval
        m and n; NaN beyond ``spinodal_load``.
    """
    P, rho = interaction_order, dataset_entropy(quality, examples)
    noise = pattern_load * _weight(quality, examples, P, protocol)
    least, most = _weakest(rho, P), jnp.minimum(1 / jnp.sqrt(2 * rho), STRONGEST)
    t = monotone_root(lambda t, rho, noise: _load(t, rho, P) - noise, least, most, rho, noise)
    return Retrieval(*_overlaps(jnp.where(noise <= _load(least, rho, P), t, jnp.nan), rho))


def unsupervised_examples(
    pattern_load: PatternLoad,
    quality: Quality,
    capacity: Capacity,
    *,
    interaction_order: SpinsAtOnce = 3,
) -> Needed:
    """The examples without which unsupervised learning retrieves nothing, in the limit r -> 0.

    Parameters
    ----------
    pattern_load, quality : float
        alpha and r.
    capacity : float
        alpha_s of stored patterns at the same P and temperature.
    interaction_order : int
        P >= 3.

    Returns
    -------
    Needed
        M_c = (r^(-2P) - 1) / (alpha_s / alpha - 1), infinite at the capacity and beyond.

    Notes
    -----
    From alpha (1 + rho_P) = alpha_s, at any temperature. The examples are then so many that the
    class mean is the archetype: what is neglected is of the order rho(M_c) ~ r^(2 P - 2).
    """
    left = jnp.maximum(jnp.asarray(capacity) - pattern_load, 0.0)
    return Needed((quality ** (-2.0 * interaction_order) - 1) * pattern_load / left)


@partial(jax.jit, static_argnames="interaction_order")
def supervised_examples(
    pattern_load: PatternLoad,
    quality: Quality,
    overlap: Accuracy,
    *,
    interaction_order: SpinsAtOnce = 3,
) -> Needed:
    """The examples that supervised learning needs to retrieve at T = 0 with an accuracy.

    Parameters
    ----------
    pattern_load, quality : float
        alpha and r.
    overlap : float
        m* in (0, 1).
    interaction_order : int
        P >= 3.

    Returns
    -------
    Needed
        M = (1 - r^2) / (r^2 rho) at the largest rho that m >= m* allows. NaN if stored patterns are
        not retrieved so well at this load, and if the state ends before its overlap falls to m*.

    Notes
    -----
    t = erfinv(m*), and the load decreases with rho, on which alone all depends. Without load
    rho = 1 / (2 t^2), so that M = 2 erfinv(m*)^2 (1 - r^2) / r^2 for every P.
    """
    P, t = interaction_order, erfinv(overlap)

    def excess(rho, load):
        return _load(t, rho, P) / (1 + rho) ** P - load

    rho = monotone_root(excess, 0.0, 1 / (2 * t**2), pattern_load)
    reached = (excess(0.0, pattern_load) > 0) & (_slope(t, rho, P) < 0)
    rho = jnp.where(reached, rho, jnp.nan)
    return Needed((1 - quality**2) / (quality**2 * rho))


def _weight(quality, examples, P, protocol) -> Array:
    """w."""
    (weight,) = Model(P, protocol, "gauss").noise_powers(quality, examples).values()
    return jnp.asarray(weight)


def _weakest(rho, P) -> Array:
    """t at the largest load."""
    most = jnp.minimum(1 / jnp.sqrt(2 * rho), P)  # without noise in the data t < P there
    return monotone_root(partial(_slope, P=P), WEAKEST, most, rho)


def _overlaps(t, rho) -> tuple[Array, Array]:
    """m and n."""
    m = erf(t)
    return m, m + rho * 2 / math.sqrt(math.pi) * t * jnp.exp(-(t**2))


def _slope(t, rho, P) -> Array:
    """Positive where the load increases with t: such states are unstable."""
    density = 2 / math.sqrt(math.pi) * jnp.exp(-(t**2))
    relative = t * density * (1 + rho - 2 * rho * t**2) / _overlaps(t, rho)[1]  # t n' / n
    return (P - 1) * relative * (1 - 2 * rho * t**2) - 1


def _load(t, rho, P) -> Array:
    """alpha w."""
    return P / 4 * _overlaps(t, rho)[1] ** (2 * P - 2) * (1 / t**2 - 2 * rho)
