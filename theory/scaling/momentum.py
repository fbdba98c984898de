r"""Mean loss of one-pass stochastic momentum (DANA), exact for a given W.

With G = SUM_{i <= B} a_i (a_i.theta - y_i), y_0 = 0, and t the steps already taken,

    y <- (1 - Delta(t)) y + gamma_1 G,    theta <- theta - gamma_2 G - gamma_3(t) y  (the new y).

Only the product of gamma_1 and gamma_3 matters, hence gamma_1 = 1. Delta(t) = delta / (delta + t);
gamma_3(t) = gamma_3 (1 + t)^-decay, where D. Ferbach et al., arXiv:2505.16098, choose
gamma_3 = gamma_2 / d and no decay (DANA-constant), or gamma_3 = gamma_2 and decay = 1 / (2 alpha)
(DANA-decaying); SGD is gamma_3 = 0. Features, data and loss are those of ``quenched``.

Isserlis' theorem closes the equations of the second moments of e = <u_i, theta - theta*> and y;
s = lam E e^2, u = lam E y^2, x = lam E e y, a = 1 - Delta, h = gamma_2 + gamma_3, g = a gamma_3,
n = B lam^2 ((B + 1) s + P) and P = P_inf + sum s obey

    s' = s + h^2 n + g^2 u - 2 h B lam s - 2 g x + 2 g h B lam x,
    u' = a^2 u + n + 2 a B lam x,
    x' = a x + B lam s - (a h + g) B lam x - h n - a g u.
"""

from __future__ import annotations

from math import inf
from typing import Annotated

import numba
import numpy as np

from thermolimit.solvers import Label

from .quenched import (
    Batch,
    Eigenvalues,
    Irreducible,
    Loss,
    NotNegative,
    Steps,
    StepSize,
    Weights,
)

MomentumSize = Annotated[float, NotNegative, Label(r"step size of the momentum, $\gamma_3$")]
Damping = Annotated[float, (0.0, inf), Label(r"damping of the momentum, $\delta$")]
Decay = Annotated[float, NotNegative, Label("exponent of the decay of the momentum")]


def loss(
    eigenvalues: Eigenvalues,
    weights: Weights,
    irreducible_loss: Irreducible,
    step_size: StepSize,
    momentum_size: MomentumSize,
    damping: Damping,
    decay: Decay = 0.0,
    batch: Batch = 1,
    *,
    step: Steps,
) -> Loss:
    """P(r) by the recursion of the second moments; O(d) per step.

    Parameters
    ----------
    eigenvalues, weights : ndarray
        lam_i and w_i, shape (d,); see ``quenched.modes``.
    irreducible_loss : float
        P_inf.
    step_size, momentum_size : float
        gamma_2, and gamma_3 at the first step.
    damping, decay : float
        delta, and the exponent with which gamma_3 decays.
    batch : float
        B.
    step : ndarray
        Increasing whole numbers r.
    """
    P = np.empty(len(step))
    numbers = irreducible_loss, step_size, momentum_size, damping, decay, batch
    moments = weights.astype(float), np.zeros(weights.size), np.zeros(weights.size)
    _closure(eigenvalues, *moments, *numbers, step.astype(np.int64), P)
    return Loss(P)


@numba.njit(fastmath={"reassoc", "contract"})  # or sums would not be vectorised
def _closure(lam, s, u, x, P_inf, gamma_2, gamma_3, delta, decay, B, steps, losses):
    """Fill ``losses``; the moments are moved along."""
    P, t = P_inf + s.sum(), 0
    for record, until in enumerate(steps):
        while t < until:
            a, size = t / (delta + t), gamma_3 * (1.0 + t) ** -decay
            h, g = gamma_2 + size, a * size
            total = 0.0
            for i in range(lam.size):
                n = B * lam[i] ** 2 * ((B + 1) * s[i] + P)
                S, X = B * lam[i] * s[i], B * lam[i] * x[i]
                old_s, old_u, old_x = s[i], u[i], x[i]
                s[i] = old_s + h**2 * n + g**2 * old_u - 2 * (h * S + g * old_x - g * h * X)
                u[i] = a**2 * old_u + n + 2 * a * X
                x[i] = a * old_x + S - (a * h + g) * X - h * n - a * g * old_u
                total += s[i]
            P, t = P_inf + total, t + 1
        losses[record] = P
