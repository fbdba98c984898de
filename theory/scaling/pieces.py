r"""The pieces of the loss of power-law random features, as integrals over a pure power law.

.. math::
    F_{pp}(r) &= \frac1{2\alpha} \int_0^1 u^{(2\beta-1)/(2\alpha)} e^{-2\gamma B r u} du , \\
    F_{ac}(r) &= \frac{c_\beta}{2\alpha d} \int_{d^{-2\alpha}}^1
        u^{-1/(2\alpha)} e^{-2\gamma B r u} du , \qquad c_\beta = \sum_j j^{-2\beta}, \\
    K_{pp}(r) &= \frac{\gamma^2 B}{2\alpha} \int_0^1 u^{1-1/(2\alpha)} e^{-2\gamma B r u} du

and F_0 of ``resolvent.irreducible_loss``: features learned one by one, the distortion of the first
ones by the random embedding (only if 2 alpha > 1 and 2 beta > 1), gradient noise, and what d
features cannot express. For 4 alpha <= 1, where it never dominates, K_pp begins at d^(-2 alpha).

E. Paquette, C. Paquette, L. Xiao and J. Pennington, arXiv:2405.15074: within constants, P is their
``sum``. The ``level`` was derived here: the late loss is the sum of the first three divided by
1 - ||K||, plus one late kick K(r) times the total loss before it (for 2 alpha > 1 and 2 beta > 1),

.. math::
    P \approx \frac{F_{pp} + F_{ac} + F_0}{1 - \|K\|}
        + \frac{C_F}{(1 - \|K\|)^2} \frac{K_{pp}}{\gamma B} , \qquad
    C_F = \frac12 \sum_j \frac{j^{-2\beta}}{1 - \gamma (B+1) j^{-2\alpha} / 2} .

They describe 100 <= r << d^(2 alpha) / (gamma B); later F_0 / (1 - ||K||) is left.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma, gammainc

from thermolimit.solvers import Label

from . import contour, resolvent, spectra
from .random_features import Alpha, Batch, Beta, Dimension, Features, Steps, StepSize

Floats = NDArray[np.float64]

NODES = 20  # per panel of unit width in log u


class Pieces(NamedTuple):
    """Each over the steps, but for the irreducible loss."""

    forcing_pure_point: Annotated[Floats, "step", Label("learning feature by feature, $F_{pp}$")]
    forcing_continuous: Annotated[Floats, "step", Label("distortion by embedding, $F_{ac}$")]
    irreducible_loss: Annotated[float, Label("irreducible loss, $F_0$")]
    kernel_pure_point: Annotated[Floats, "step", Label("gradient noise, $K_{pp}$")]
    sum: Annotated[Floats, "step", Label(r"$F_{pp} + F_{ac} + F_0 + K_{pp} / (\gamma B)$")]
    level: Annotated[Floats, "step", Label("loss at late steps from the pieces")]


def pieces(
    alpha: Alpha,
    beta: Beta,
    step_size: StepSize,
    batch: Batch = 1,
    *,
    dimension: Dimension,
    n_features: Features,
    step: Steps,
) -> Pieces:
    """Pieces of the loss at any steps, and the two approximations of the loss made of them.

    Parameters
    ----------
    alpha, beta : float
        Decay of data and target, above 0, with alpha + beta > 1/2.
    step_size : float
        gamma, stable.
    batch : int
        B >= 1.
    dimension, n_features : int
        d < v.
    step : array of int, shape (step,)
        r >= 0.

    Raises
    ------
    ValueError
        As ``random_features.loss``.
    """
    spectrum = spectra.power_law(alpha, beta, n_features)
    norm = contour.stable_kernel_norm(spectrum, dimension, step_size, batch)
    s = 2 * step_size * batch * np.asarray(step, float)
    cut, learnt = dimension ** (-2 * alpha), min(alpha, beta) > 0.5  # every single feature is
    F_pp = _moment(1 + (2 * beta - 1) / (2 * alpha), s) / (2 * alpha)
    F_ac = np.zeros_like(s)
    if learnt:
        c_beta = spectrum.weights @ spectrum.target**2
        F_ac = c_beta * _cut_moment(1 - 1 / (2 * alpha), s, cut) / (2 * alpha * dimension)
    a = 2 - 1 / (2 * alpha)
    K_pp = _moment(a, s) if a > 0 else _cut_moment(a, s, cut)
    K_pp = step_size**2 * batch / (2 * alpha) * K_pp
    F_0 = resolvent.irreducible_loss(spectrum, dimension)
    forcing, noise = F_pp + F_ac + F_0, K_pp / (step_size * batch)
    level = forcing / (1 - norm)
    if learnt:
        damping = 1 - step_size * (batch + 1) * spectrum.eigenvalues / 2
        C_F = spectrum.weights @ (spectrum.target**2 / damping) / 2
        level += C_F * noise / (1 - norm) ** 2
    return Pieces(F_pp, F_ac, F_0, K_pp, forcing + noise, level)


def _moment(a: float, s: Floats) -> Floats:
    """int_0^1 u^(a-1) e^(-s u) du, a > 0."""
    at = np.where(s > 0, s, 1.0)  # else 0 / 0
    return np.where(s > 0, gamma(a) * gammainc(a, at) * at**-a, 1 / a)


def _cut_moment(a: float, s: Floats, cut: float) -> Floats:
    """int_cut^1 u^(a-1) e^(-s u) du, by Gauss-Legendre rules in log u."""
    x, weights = np.polynomial.legendre.leggauss(NODES)
    panels = int(np.ceil(-np.log(cut)))
    width = -np.log(cut) / panels
    log_u = np.log(cut) + width * (np.arange(panels)[:, None] + (x + 1) / 2).ravel()
    return np.exp(a * log_u - s[:, None] * np.exp(log_u)) @ np.tile(weights * width / 2, panels)
