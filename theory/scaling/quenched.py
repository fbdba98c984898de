r"""Mean loss of one-pass SGD on linear features of Gaussian data, exact for a given W.

theta <- theta - gamma SUM_{i <= B} a_i (a_i.theta - y_i) from theta = 0, fresh data at every step;
a = W^T x, x ~ N(0, D), y = x.b, and P(theta) = E (a.theta - y)^2, without a factor 1/2. K = W^T D W
has eigenpairs (lam_i, u_i), theta* = K^-1 W^T D b is the minimum, P_inf its loss, and
w_i = lam_i <u_i, theta*>^2. Since y - a.theta* is Gaussian and uncorrelated with a, it does not
depend on a, and Isserlis' theorem closes the equations of s_i = lam_i E <u_i, theta_r - theta*>^2:

    s_i(r + 1) = q_i s_i(r) + gamma^2 B lam_i^2 P(r),   P(r) = P_inf + sum_i s_i(r),   s_i(0) = w_i,
    q_i = 1 - 2 gamma B lam_i + gamma^2 B (B + 1) lam_i^2.

exactly at any d. This is the Volterra equation P(r) = F(r) + sum_{k < r} K(r - 1 - k) P(k) of
E. Paquette, C. Paquette, L. Xiao and J. Pennington, arXiv:2405.15074. The mean loss is bounded
if gamma (B + 1) lam_i < 2 for all i and ||K|| = sum_r K(r) < 1, where

    ||K|| = sum_i gamma lam_i / (2 - gamma (B + 1) lam_i).
"""

from __future__ import annotations

from math import inf
from typing import Annotated, NamedTuple

import numba
import numpy as np
from scipy.optimize import brentq

from thermolimit.solvers import Interval, Label

Whole = Interval(1.0, inf, closed=True)
NotNegative = Interval(0.0, inf, closed=True)

Eigenvalues = Annotated[
    np.ndarray, "parameter", (0.0, inf), Label(r"eigenvalues of $W^\top D W$, $\lambda_i$")
]
Weights = Annotated[
    np.ndarray, "parameter", NotNegative, Label(r"initial loss of the modes, $w_i$")
]
Irreducible = Annotated[float, NotNegative, Label(r"irreducible loss, $P_\infty$")]
StepSize = Annotated[float, (0.0, inf), Label(r"step size, $\gamma$")]
Batch = Annotated[float, Whole, Label("examples per step, $B$")]
Steps = Annotated[np.ndarray, "step", NotNegative, Label("step, $r$")]


class Modes(NamedTuple):
    """What the loss needs to know of W, of the covariance and of the target."""

    eigenvalues: Eigenvalues
    weights: Weights
    irreducible_loss: Irreducible


class Loss(NamedTuple):
    """Mean over the data."""

    loss: Annotated[np.ndarray, "step", Label("loss, $P$")]


class Volterra(NamedTuple):
    """The two functions of the Volterra equation."""

    forcing: Annotated[np.ndarray, "step", Label("forcing, $F$")]
    kernel: Annotated[np.ndarray, "step", Label("kernel, $K$")]


class Stability(NamedTuple):
    """Below kernel_norm = 1, that is below the largest step size, the mean loss is bounded."""

    kernel_norm: Annotated[float, Label(r"norm of the kernel, $\|K\|$")]
    largest_step_size: Annotated[float, Label(r"largest stable step size, $\gamma_{\max}$")]


def modes(features: np.ndarray, variances: np.ndarray, target: np.ndarray) -> Modes:
    """Eigenvalues, weights and irreducible loss of a W.

    Parameters
    ----------
    features : ndarray
        W, shape (v, d), of rank d < v.
    variances, target : ndarray
        Eigenvalues of the covariance of the data, and b in its eigenbasis, shape (v,).

    Raises
    ------
    ValueError
        If d is not below v.
    """
    v, d = features.shape
    if not d < v:
        raise ValueError(f"features has the shape ({v}, {d}); the second must be below the first")
    root = np.sqrt(variances)
    U, singular, _ = np.linalg.svd(root[:, None] * features, full_matrices=False)
    along = U.T @ (root * target)
    return Modes(singular**2, along**2, float(np.sum((root * target - U @ along) ** 2)))


def loss(
    eigenvalues: Eigenvalues,
    weights: Weights,
    irreducible_loss: Irreducible,
    step_size: StepSize,
    batch: Batch = 1,
    *,
    step: Steps,
) -> Loss:
    r"""P(r) at any r, 10^12 included, by partial fractions of its z-transform.

    Parameters
    ----------
    eigenvalues, weights : ndarray
        lam_i > 0 and w_i, shape (d,).
    irreducible_loss : float
        P_inf; label noise of variance sigma^2 adds to it.
    step_size, batch : float
        gamma and B.
    step : ndarray
        r, whole numbers as floats.

    Raises
    ------
    ValueError
        For an unstable step size; the largest stable one is stated.

    Notes
    -----
    sum_r P(r) q^(-r-1) = [P_inf / (q-1) + sum_i w_i / (q-q_i)] / [1 - sum_i c_i / (q-q_i)] with
    c_i = gamma^2 B lam_i^2. Its poles are 1 and, between two neighbours of the q_i each, the
    eigenvalues of diag(q) + gamma^2 B lam lam^T (G. H. Golub, SIAM Review 15, 318 (1973)). They are
    found as distances from the nearest 1 - q_i, so that slow modes keep their relative accuracy.
    O(d^2) once, O(d) per r.
    """
    kernel_norm, largest = stability(eigenvalues, step_size, batch)
    if not kernel_norm < 1:
        raise ValueError(
            f"step_size = {step_size:g} is unstable; the largest stable one is {largest:.6g}"
        )
    rates, strengths, forced = _poles(eigenvalues, weights, step_size, batch)
    decay = np.outer(step, np.log1p(-rates))
    P_inf = irreducible_loss
    noise = -np.expm1(decay) @ (P_inf / (rates * strengths))
    return Loss(P_inf + np.exp(decay) @ (forced / strengths) + noise)


def stability(eigenvalues: Eigenvalues, step_size: StepSize, batch: Batch = 1) -> Stability:
    """Norm of the kernel, infinite if gamma (B + 1) lam_max >= 2, and the largest step size."""
    bound = 2 / ((batch + 1) * np.max(eigenvalues))  # there the norm is infinite

    def norm(gamma: float) -> float:
        return float(np.sum(gamma * eigenvalues / (2 - gamma * (batch + 1) * eigenvalues)))

    # one mode alone reaches the norm 1 at gamma lam = 2 / (B + 2), all d of them together before
    lower, upper = bound / (1 + eigenvalues.size), bound * (batch + 1) / (batch + 2)
    largest: float = brentq(  # type: ignore
        lambda gamma: norm(gamma) - 1, lower, upper * (1 + 1e-9)
    )
    return Stability(norm(step_size) if step_size < bound else inf, largest)


def volterra(
    eigenvalues: Eigenvalues,
    weights: Weights,
    irreducible_loss: Irreducible,
    step_size: StepSize,
    batch: Batch = 1,
    *,
    step: Steps,
) -> Volterra:
    """F(r) = P_inf + sum_i w_i q_i^r and K(r) = gamma^2 B sum_i lam_i^2 q_i^r.

    The forcing is gradient descent without noise, the kernel the memory of the noise; arguments as
    in ``loss``, at any step size.
    """
    powers = np.exp(np.outer(step, np.log1p(-_losses(eigenvalues, step_size, batch))))
    kernel = step_size**2 * batch * powers @ eigenvalues**2
    return Volterra(irreducible_loss + powers @ weights, kernel)


def scheduled_loss(
    eigenvalues: Eigenvalues,
    weights: Weights,
    step_sizes: Annotated[np.ndarray, "update", NotNegative, Label(r"step sizes, $\gamma(r)$")],
    batches: Annotated[np.ndarray, "update", Whole, Label("examples per step, $B(r)$")],
    irreducible_loss: Irreducible,
    *,
    step: Steps,
) -> Loss:
    """P(r) by the recursion, for any gamma(r) and B(r), stable or not; O(d) per step.

    Parameters
    ----------
    eigenvalues, weights : ndarray
        lam_i and w_i, shape (d,).
    step_sizes, batches : ndarray
        gamma(r) and B(r) of r = 0, 1, ...; shape (updates,).
    irreducible_loss : float
        P_inf.
    step : ndarray
        Increasing r, none above the number of updates.

    Raises
    ------
    ValueError
        If a step is beyond the schedule, or the two schedules have different lengths.
    """
    if len(step_sizes) != len(batches):
        raise ValueError(f"there are {len(step_sizes)} step_sizes and {len(batches)} batches")
    if step[-1] > len(step_sizes):
        raise ValueError(f"step = {step[-1]:g} is beyond the {len(step_sizes)} step_sizes")
    s, P = weights.astype(float), np.empty(len(step))
    _recursion(eigenvalues, s, irreducible_loss, step_sizes, batches, step.astype(np.int64), P)
    return Loss(P)


@numba.njit(fastmath={"reassoc", "contract"})  # or sums would not be vectorised
def _recursion(lam, s, P_inf, step_sizes, batches, steps, losses):
    """Fill ``losses``; s is moved along."""
    P, r = P_inf + s.sum(), 0
    for record, until in enumerate(steps):
        while r < until:
            gamma, B = step_sizes[r], batches[r]
            a, b, c = 2 * gamma * B, gamma**2 * B * (B + 1), gamma**2 * B * P
            total = 0.0
            for i in range(lam.size):
                s[i] += lam[i] * (lam[i] * (b * s[i] + c) - a * s[i])
                total += s[i]
            P, r = P_inf + total, r + 1
        losses[record] = P


def _losses(lam: np.ndarray, gamma: float, B: float) -> np.ndarray:
    """1 - q, what a mode loses per step."""
    return gamma * B * lam * (2 - gamma * (B + 1) * lam)


def _poles(
    lam: np.ndarray, w: np.ndarray, gamma: float, B: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 - q at the poles; sum_i c_i / (q - q_i)^2 and sum_i w_i / (q - q_i) there."""
    p, mode = np.unique(_losses(lam, gamma, B), return_inverse=True)  # equal modes are one
    c = np.bincount(mode, gamma**2 * B * lam**2)
    return _secular(p, c, np.bincount(mode, w))


@numba.njit
def _secular(p, c, w):
    """Roots a of sum_i c_i / (p_i - a) = 1, one below each p_k; 64 bisections of log |p_m - a|.

    p_m is the nearer neighbour of a: p_m - a is never the rounded difference of two others.
    """
    n = p.size
    a, slope, forced = np.empty(n), np.empty(n), np.empty(n)
    total = c.sum()
    for k in range(n):
        m, side = k, -1.0  # a = p_m + side x
        upper, lower = total, c[k]
        if k:
            upper = (p[k] - p[k - 1]) / 2
            if np.sum(c / (p - p[k] + upper)) > 1:
                m, side = k - 1, 1.0
            lower = c[m] / (1 + total / upper)
        low, high = np.log(lower), np.log(upper)
        for _ in range(64):
            middle = (low + high) / 2
            above = np.sum(c / (p - p[m] - side * np.exp(middle))) > 1
            if above == (side > 0):
                high = middle
            else:
                low = middle
        x = side * np.exp((low + high) / 2)
        gap = p - p[m] - x
        a[k], slope[k], forced[k] = p[m] + x, np.sum(c / gap**2), np.sum(w / gap)
    return a, slope, forced
