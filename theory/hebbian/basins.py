r"""Basins of attraction of stored patterns: parallel dynamics of dense networks at T = 0.

The network of ``dense_memory`` starts from a random state that has the overlap m_0 with one of its
K = 2 alpha N^(P-1) / P! patterns, and aligns all spins with their fields at once, again and again.
The field of a spin is the signal (P / 2) m^(P-1) times the entry of the pattern, and noise of the
other patterns. Of a random state the noise is Gaussian, of variance V = alpha P / 2 at any m_0. As
soon as the spins have followed it, noise and spins are correlated: exact equations for later steps
remember all earlier ones.

E. Gardner, B. Derrida and P. Mottishaw, J. Phys. (Paris) 48, 741 (1987), for two steps at P = 2;
S. Amari and K. Maginu, Neural Networks 1, 63 (1988). Derived again, for any P.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from thermolimit.solvers import Interval, Label

from .example_law import Number
from .spins import cold_response, cold_spin

BISECTIONS = 50  # of the overlap at the border of the basin
STEPS = 1000  # of the dynamics that decide on which side a state lies
RETRIEVED = 0.5  # a larger overlap in the end is retrieval

StartOverlap = Annotated[
    Number, Interval(0.0, 1.0, closed=True), Label("overlap with the start, $m_0$")
]
PatternLoad = Annotated[Number, (0.0, inf), Label(r"load, $\alpha = P! K / 2 N^{P-1}$")]
Order = Annotated[int, Interval(2, inf, closed=True), Label("interaction order, $P$")]


class Steps(NamedTuple):
    """Overlaps with the pattern."""

    first: Annotated[Number, Label("overlap after one parallel step, $m_1$")]
    second: Annotated[Number, Label("overlap after two parallel steps, $m_2$")]


class Border(NamedTuple):
    """Where a basin ends."""

    critical_overlap: Annotated[Number, Label("smallest overlap that is retrieved, $m_0^*$")]


@partial(jax.jit, static_argnames="interaction_order")
def first_steps(
    start_overlap: StartOverlap, pattern_load: PatternLoad, *, interaction_order: Order
) -> Steps:
    r"""Overlaps after one and after two steps from a random state; exact for N -> infinity.

    Parameters
    ----------
    start_overlap : float
        m_0 in [0, 1].
    pattern_load : float
        alpha > 0.
    interaction_order : int
        P >= 2, distinct indices.

    Notes
    -----
    The first step sees Gaussian noise, m_1 = erf(S_0 / sqrt(2 V)) with S_t = (P / 2) m_t^(P-1). The
    response of the first step to its field, U = sqrt(2 / (pi V)) exp(-S_0^2 / 2 V), brings a spin
    its own past: its second field contains R s_i(0) with R = alpha (P / 2) (P - 1) C^(P-2) U, where
    C = m_0 m_1 is the correlation of both states. Averaged over s_i(0),

        m_2 = sum_{+-} (1 +- m_0) / 2 erf((S_1 +- R) / sqrt(2 V')).

    V' = V for P >= 3; at P = 2, V' = alpha (1 + 2 U C + U^2).
    """
    P, alpha, m = interaction_order, pattern_load, start_overlap
    V = alpha * P / 2
    first, response = _step(m, V, P)
    correlation = m * first
    R = V * (P - 1) * correlation ** (P - 2) * response
    V = _noise(alpha, V, response, correlation, P)
    S = _signal(first, P)
    agrees, differs = cold_spin(S + R, V), cold_spin(S - R, V)
    return Steps(first, (1 + m) / 2 * agrees + (1 - m) / 2 * differs)


@partial(jax.jit, static_argnames="interaction_order")
def signal_to_noise(pattern_load: PatternLoad, *, interaction_order: Order) -> Border:
    """Smallest initial overlap that is retrieved by steps of signal and Gaussian noise.

    Parameters
    ----------
    pattern_load : float
        alpha > 0. Beyond the capacity, where no overlap is retrieved, the result is NaN.
    interaction_order : int
        P >= 2, distinct indices.

    Notes
    -----
    m' = erf(S / sqrt(2 V)) with S = (P / 2) m^(P-1). For P >= 3 the variance V = alpha P / 2 never
    changes, and the border, where m' = m, is the unstable replica-symmetric state at T = 0. At
    P = 2 it follows S. Amari and K. Maginu, V' = alpha (1 + 2 U m m') + U^2 V with the response U.
    Neglected is that a spin feels its own past (see ``first_steps``), and, at P = 2, that the
    states of more than two successive steps are correlated.
    """
    P, alpha = interaction_order, jnp.asarray(pattern_load)

    def step(_, state):
        m, V = state
        moved, response = _step(m, V, P)
        return moved, _noise(alpha, V, response, m * moved, P)

    def is_retrieved(m):
        return lax.fori_loop(0, STEPS, step, (m, alpha * P / 2))[0] > RETRIEVED

    def halve(_, bracket):
        low, high = bracket
        middle = (low + high) / 2
        inside = is_retrieved(middle)
        return jnp.where(inside, low, middle), jnp.where(inside, middle, high)

    one = jnp.ones_like(alpha)
    low, high = lax.fori_loop(0, BISECTIONS, halve, (0 * one, one))
    return Border(jnp.where(is_retrieved(one), (low + high) / 2, jnp.nan))


def _signal(m, P: int):
    return P / 2 * m ** (P - 1)


def _step(m, V, P: int):
    """Overlap after a step, and how much the mean spin follows a small field."""
    S = _signal(m, P)
    return cold_spin(S, V), cold_response(S, V)


def _noise(alpha, V, response, correlation, P: int):
    """Variance of the noise after a step."""
    if P > 2:
        return V
    return alpha * (1 + 2 * response * correlation) + response**2 * V
