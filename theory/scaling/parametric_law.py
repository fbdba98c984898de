r"""The parametric scaling law of loss, size and data, fitted to curves, and the optimum it implies.

.. math:: L(N, D) = E + A N^{-a} + B D^{-b}

with N parameters and D examples (J. Hoffmann et al., arXiv:2203.15556, equation 2; of their three
approaches the third). At given compute N D the best size and the loss above E follow power laws,

.. math:: N^* \sim (N D)^\xi, \quad \xi = \frac{b}{a + b}, \qquad
    L^* - E \sim (N D)^{-\eta}, \quad \eta = \frac{a b}{a + b}.

For random features N = d and D = B r; in phase Ia a = 2 alpha + 2 beta - 1 and b = a / (2 alpha).
Elsewhere the loss has products of powers of d and r, and is no such sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import OptimizeResult, least_squares

Floats = NDArray[np.float64]

STARTS = tuple((a, b) for a in (0.2, 0.6, 1.2) for b in (0.2, 0.6, 1.2))
LOWEST = (0.0, -50.0, -50.0, 0.0, 0.0)  # of E, log A, log B, a, b, in units of the least loss
HIGHEST = (2.0, 50.0, 50.0, 10.0, 10.0)
HUBER = 1.345  # 95 % efficient for normal deviations
NORMAL = 0.67448975  # their median in units of the standard deviation
FIRST_SCATTER = 1e-3  # of log L
ROUNDING = 1e-9  # scatter of an exact law


class Estimate(NamedTuple):
    """A fitted number."""

    value: float
    lower: float
    upper: float


class Law(NamedTuple):
    """Coefficients and exponents with their intervals."""

    limit: Estimate
    """E, the loss of infinite size and data, in units of the loss."""
    size_amplitude: Estimate
    """A."""
    data_amplitude: Estimate
    """B."""
    size_exponent: Estimate
    """a."""
    data_exponent: Estimate
    """b."""
    dimension_exponent: Estimate
    """xi = b / (a + b), of the best size at given compute."""
    loss_exponent: Estimate
    """eta = a b / (a + b), of the loss above E at the best size."""
    residual: float
    """Root mean square of log L - log of the law."""


def loss(law: Law, size: ArrayLike, data: ArrayLike) -> Floats:
    """L(N, D) of a fitted law, by broadcasting."""
    x = (law.limit, law.size_amplitude, law.data_amplitude, law.size_exponent, law.data_exponent)
    E, A, B, a, b = (part.value for part in x)
    return E + A * np.asarray(size, float) ** -a + B * np.asarray(data, float) ** -b


def fit(size: ArrayLike, data: ArrayLike, measured: ArrayLike, *, level: float = 0.95) -> Law:
    """Fit the law to measured losses, robustly in log L.

    Parameters
    ----------
    size, data, measured : array, shape (points,)
        N, D and L, all positive; at least six points with two values or more of N and of D.
    level : float
        Of the intervals.

    Returns
    -------
    Law
        Intervals of the linearised fit from the scatter of the residuals, which they take for
        independent; those of A and B are symmetric in the logarithm, E is not negative. They say
        what the scatter allows, not whether the law is the right one: see ``residual``. For points
        along the same runs, which are not independent, resample the runs.

    Raises
    ------
    ValueError
        For numbers that are not positive, or too few of them.

    Notes
    -----
    Huber's loss of the deviations of log L, quadratic up to ``HUBER`` times their scatter, linear
    beyond, is minimised over E, log A, log B, a, b from several starts (arXiv:2203.15556, section
    3.3, where it becomes linear at 1e-3); then once more with the scatter found.
    """
    N, D, L = (_logs(n, x) for n, x in (("size", size), ("data", data), ("loss", measured)))
    if not (N.shape == D.shape == L.shape and N.ndim == 1 and len(L) >= 6):
        raise ValueError(
            f"size {N.shape}, data {D.shape}, loss {L.shape} must be equally many, and at least 6"
        )
    # the amplitudes at the mean of log N and log D hardly depend on the exponents
    centre, unit = np.array([N.mean(), D.mean()]), np.exp(L.min())
    x, y, log_loss = N - centre[0], D - centre[1], L - L.min()

    def solve(start: Sequence[float] | Floats, scatter: float) -> OptimizeResult:
        return least_squares(
            lambda p: np.log(_terms(p, x, y).sum(axis=0)) - log_loss, start,
            lambda p: _derivatives(p, x, y),  # pyright: ignore[reportArgumentType]
            bounds=(LOWEST, HIGHEST), loss="huber",
            f_scale=scatter, x_scale="jac", xtol=1e-14, ftol=1e-14, gtol=1e-14,
        )  # fmt: skip

    rough = min((solve((0.1, 0, 0, *ab), FIRST_SCATTER) for ab in STARTS), key=lambda r: r.cost)
    scatter = max(HUBER * float(np.median(np.abs(rough.fun))) / NORMAL, ROUNDING)
    best = solve(rough.x, scatter)
    return _law(best, _derivatives(best.x, x, y), scatter, centre, unit, level)


def _terms(p: Floats, x: Floats, y: Floats) -> Floats:
    """E, A N^-a and B D^-b, in centred logarithms."""
    E, log_A, log_B, a, b = p
    return np.stack([np.full_like(x, E), np.exp(log_A - a * x), np.exp(log_B - b * y)])


def _derivatives(p: Floats, x: Floats, y: Floats) -> Floats:
    """Of the logarithm of their sum."""
    terms = _terms(p, x, y)
    _, n, d = terms / terms.sum(axis=0)
    return np.stack([1 / terms.sum(axis=0), n, d, -n * x, -d * y], axis=1)


def _law(
    best: OptimizeResult, J: Floats, scatter: float, centre: Floats, unit: float, level: float
) -> Law:
    """Numbers and intervals in the units of the data."""
    r = best.fun
    freedom = len(r) - len(best.x)
    # variance of an M-estimator (P. Huber, Ann. Math. Stat. 35, 73 (1964))
    influence = np.sum(np.clip(r, -scatter, scatter) ** 2) / freedom
    covariance = influence / np.mean(np.abs(r) <= scatter) ** 2 * np.linalg.pinv(J.T @ J)
    quantile = stats.t.isf((1 - level) / 2, freedom)
    E, log_A, log_B, a, b = best.x

    def interval(value: float, gradient: Sequence[float]) -> Estimate:
        half = quantile * np.sqrt(gradient @ covariance @ np.array(gradient))
        return Estimate(float(value), float(value - half), float(value + half))

    limit = interval(E * unit, (unit, 0, 0, 0, 0))
    amplitude_a = interval(log_A + a * centre[0] + np.log(unit), (0, 1, 0, centre[0], 0))
    amplitude_b = interval(log_B + b * centre[1] + np.log(unit), (0, 0, 1, 0, centre[1]))
    total = (a + b) ** 2
    return Law(
        limit._replace(lower=max(limit.lower, 0.0)),
        Estimate(*np.exp(amplitude_a).tolist()),
        Estimate(*np.exp(amplitude_b).tolist()),
        interval(a, (0, 0, 0, 1, 0)),
        interval(b, (0, 0, 0, 0, 1)),
        interval(b / (a + b), (0, 0, 0, -b / total, a / total)),
        interval(a * b / (a + b), (0, 0, 0, b**2 / total, a**2 / total)),
        float(np.sqrt(np.mean(r**2))),
    )


def _logs(name: str, values: ArrayLike) -> Floats:
    array = np.asarray(values, float)
    wrong = array[~((array > 0) & np.isfinite(array))]
    if wrong.size:
        raise ValueError(f"{name} = {wrong.flat[0]:g} is not a positive number")
    return np.log(array)
