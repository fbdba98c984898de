r"""Deterministic equivalent of the resolvent of random features.

For features a = W^T x with data of variances lam_j and W of shape (v, d) with entries N(0, 1/d),
the resolvent R(z) = (D^(1/2) W W^T D^(1/2) - z)^-1, D = diag(lam), is close to a diagonal matrix,

.. math:: R(z)_{jj} \to \frac{1}{\lambda_j m(z) - z}, \qquad
    m(z) = \Bigl(1 + \frac1d \sum_j \frac{\lambda_j}{\lambda_j m(z) - z}\Bigr)^{-1}

(Paquette, Paquette, Xiao and Pennington, arXiv:2405.15074). We solve for w = z / m, in which the
equation is explicit in the other direction,

.. math:: z = w \Bigl(1 - \frac1d \sum_j \frac{\lambda_j}{\lambda_j - w}\Bigr) .

For z < 0, -w is the effective ridge: random features with ridge -z learn what all v features would
learn with ridge -w. On the negative axis and right of the spectrum Newton's method converges
monotonically, as |z(w)| is convex there; elsewhere arg z is turned from the negative axis.

``m(spectrum, dimension, z)``; ``tau``, ``irreducible_loss``, ``right_edge``, ``kernel_norm``,
``largest_step_size``. The spectrum is a ``spectra.Spectrum`` of more than ``dimension`` features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .spectra import Spectrum

Numbers = NDArray[Any]  # real or complex

TURNS = 12  # steps of arg z from the negative axis to where z is wanted
POLISH = 8  # Newton steps at most after that
CLOSE = 1e-9  # relative; the Newton step after one so short is below rounding
RESIDUAL = 1e-12  # of a solved point, relative to the terms of the equation


class Solution(NamedTuple):
    """Where the equation was solved; arrays of the shape of z."""

    w: Numbers
    """z / m(z)."""
    m: Numbers
    """m(z)."""
    residual: NDArray[np.float64]
    """|z(w) - z| / |z|."""


def m(spectrum: Spectrum, dimension: float, z: ArrayLike) -> Numbers:
    """m(z), dimensionless, of the shape of z.

    Parameters
    ----------
    spectrum : Spectrum
        Of the data.
    dimension : int
        d, number of random features, less than the number of features.
    z : complex or real array
        Not 0; if real, negative or right of the spectrum. Real z give real m. Near the real axis
        m resolves single features, which only a spectrum with a node for each (``spectra.given``)
        has: with ``spectra.power_law`` keep |arg z| above pi/6, or z outside of the spectrum.

    Raises
    ------
    ValueError
        If d is not below v, or z lies on the spectrum, or between 0 and the spectrum.
    RuntimeError
        If a point is not solved to a residual of 1e-12, or on another branch.
    """
    return solve(spectrum, dimension, z).m


def solve(spectrum: Spectrum, dimension: float, z: ArrayLike) -> Solution:
    """As ``m``, with w = z / m and the residuals."""
    check_dimension(spectrum, dimension)
    flat: Numbers = np.asarray(z).ravel()
    if np.iscomplexobj(flat):
        below = np.imag(flat) < 0
        w = _turned(spectrum, dimension, np.where(below, flat.conj(), flat))
        w = np.where(below, w.conj(), w)
    else:
        w = _real(spectrum, dimension, flat.astype(float))
    value, _ = z_of(spectrum, dimension, w)
    residual = np.abs(value - flat) / np.abs(flat)
    solved = residual <= RESIDUAL * (1 + np.abs(w / flat))
    # of all roots, one has w on the same side of the real axis as z: the resolvent
    solved &= np.imag(w) * np.imag(flat) >= 0
    if not solved.all():
        raise RuntimeError(f"m(z) was not found at z = {flat[~solved][0]:g}")
    shape = np.shape(z)
    return Solution(w.reshape(shape), (flat / w).reshape(shape), residual.reshape(shape))


def tau(spectrum: Spectrum, dimension: float) -> float:
    """m(z) ~ -tau z for z -> 0: the root of sum_j lam_j tau / (1 + lam_j tau) = d."""
    check_dimension(spectrum, dimension)
    return float(1 / _ridge(spectrum, dimension, np.zeros(1))[0])


def irreducible_loss(spectrum: Spectrum, dimension: float) -> float:
    """F_0 = sum_j lam_j b_j^2 / (1 + lam_j tau), the loss of the best d-dimensional student."""
    return float(spectrum.powers @ (1 / (1 + spectrum.eigenvalues * tau(spectrum, dimension))))


def left_edge(spectrum: Spectrum, dimension: float) -> float:
    """Smallest eigenvalue of W^T D W: the largest z(w) for w < 0."""
    check_dimension(spectrum, dimension)
    w = _where_sum_is(spectrum, dimension, 2, np.zeros(1))
    return float(z_of(spectrum, dimension, w)[0][0])


def right_edge(spectrum: Spectrum, dimension: float) -> float:
    """Largest eigenvalue of W^T D W: the least z(w) for w > lam_max."""
    check_dimension(spectrum, dimension)
    return float(z_of(spectrum, dimension, _right(spectrum, dimension, 2))[0][0])


def kernel_norm(spectrum: Spectrum, dimension: float, step_size: float, batch: int = 1) -> float:
    """||K|| = sum_r K(r) = (m(z) - 1) d / (B + 1) at z = 2 / (gamma (B + 1)); inf left of the edge.

    One-pass SGD is stable in mean square if and only if it is below 1.
    """
    z = 2 / (step_size * (batch + 1))
    if z <= right_edge(spectrum, dimension):
        return np.inf
    w = _real(spectrum, dimension, np.array([z]))
    # d (m - 1), without the rounding of m
    return float(
        spectrum.weights @ (spectrum.eigenvalues / (w - spectrum.eigenvalues)) / (batch + 1)
    )


def largest_step_size(spectrum: Spectrum, dimension: float, batch: int = 1) -> float:
    """The step size at which ||K|| = 1, or at which the largest eigenvalue makes SGD unstable."""
    check_dimension(spectrum, dimension)
    # ||K|| = sum_j lam_j / (w - lam_j) / (B + 1) is known as a function of w
    w = np.maximum(_right(spectrum, batch + 1, 1), _right(spectrum, dimension, 2))
    return float(2 / ((batch + 1) * z_of(spectrum, dimension, w)[0][0]))


def z_of(spectrum: Spectrum, dimension: float, w: Numbers) -> tuple[Numbers, Numbers]:
    """z(w) and its derivative; w has shape (points,)."""
    lam, weights = spectrum.eigenvalues, spectrum.weights
    ratio = lam / (lam - w[:, None])
    z = w * (1 - ratio @ weights / dimension)
    return z, 1 - (ratio * ratio) @ weights / dimension


def check_dimension(spectrum: Spectrum, dimension: float) -> None:
    """Raise ValueError unless 1 <= d < v."""
    if not 1 <= dimension < round(spectrum.n_features):
        told = f"dimension = {dimension:g} must be at least 1"
        raise ValueError(f"{told} and below the number of features, {spectrum.n_features:g}")


def _real(spectrum: Spectrum, dimension: float, z: Numbers) -> Numbers:
    """w for z < 0 or z > right edge."""
    edge = right_edge(spectrum, dimension)
    wrong = z[(z >= 0) & (z <= edge)]
    if wrong.size:
        raise ValueError(f"z = {wrong[0]:g} lies between 0 and the right edge, {edge:g}")
    w = np.empty_like(z)
    w[z < 0] = -_ridge(spectrum, dimension, -z[z < 0])
    w[z > 0] = _outside(spectrum, dimension, z[z > 0])
    return w


def _ridge(spectrum: Spectrum, dimension: float, x: Numbers) -> Numbers:
    """The effective ridge -w of z = -x <= 0, at most x + sum lam / d; x is convex in it."""

    def excess(ridge: Numbers) -> tuple[Numbers, Numbers]:
        z, slope = z_of(spectrum, dimension, -ridge)
        return -z - x, slope

    return _monotone(excess, x + spectrum.trace / dimension)


def _outside(spectrum: Spectrum, dimension: float, z: Numbers) -> Numbers:
    """w of z > right edge; z(w) is convex there, and above w."""

    def excess(w: Numbers) -> tuple[Numbers, Numbers]:
        value, slope = z_of(spectrum, dimension, w)
        return value - z, slope

    return _monotone(excess, z)


def _right(spectrum: Spectrum, level: float, power: int) -> Numbers:
    """w > lam_max with sum_j (lam_j / (w - lam_j))^power = level."""
    first = (spectrum.weights[0] / level) ** (1 / power)  # lam_1 alone reaches the level there
    return _where_sum_is(spectrum, level, power, spectrum.eigenvalues[:1] * (1 + first))


def _where_sum_is(spectrum: Spectrum, level: float, power: int, start: Numbers) -> Numbers:
    """w with sum_j (lam_j / (w - lam_j))^power = level, from where the sum is larger."""

    def excess(w: Numbers) -> tuple[Numbers, Numbers]:
        distance = w[:, None] - spectrum.eigenvalues
        terms = (spectrum.eigenvalues / distance) ** power * spectrum.weights
        return terms.sum(axis=1) - level, -power * (terms / distance).sum(axis=1)

    return _monotone(excess, start)


def _monotone(excess: Callable[[Numbers], tuple[Numbers, Numbers]], start: Numbers) -> Numbers:
    """Root of a convex function, by Newton's method from where it is positive."""
    x = np.array(start, float)
    for _ in range(200):
        value, slope = excess(x)
        step = value / slope
        x = x - step
        if (np.abs(step) <= CLOSE * np.abs(x)).all():
            break
    return x


def _turned(spectrum: Spectrum, dimension: float, z: Numbers) -> Numbers:
    """w for Im z >= 0: from -|z| by turning arg z; one Newton step in log w a turn follows it."""
    radius, angle = np.abs(z), np.angle(z)
    w = -_ridge(spectrum, dimension, radius) + 0j
    for part in np.linspace(0, 1, TURNS + 1)[1:]:
        wanted = radius * np.exp(1j * (np.pi + part * (angle - np.pi)))
        value, slope = z_of(spectrum, dimension, w)
        w = w * np.exp(-value / (w * slope) * np.log(value / wanted))
    for _ in range(POLISH):
        value, slope = z_of(spectrum, dimension, w)
        step = (value - z) / slope
        w = w - step
        if (np.abs(step) <= CLOSE * np.abs(w)).all():
            break
    return w
