"""Spectra of data and target: eigenvalues lam_j, target coefficients b_j, how often each occurs.

Every sum over features is one over nodes, sum_i weights_i f(eigenvalues_i, target_i). A measured
spectrum has one node per feature (``given``). A power law of v features has O(log v) nodes
(``power_law``): the first 31 features, then one Gauss rule for each block 2^k <= j < 2^(k+1).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh_tridiagonal

Floats = NDArray[np.float64]

EXACT = 32  # features below this one are nodes of their own
NODES = 24  # of the rule of a block: power sums and losses are then exact to rounding


class Spectrum(NamedTuple):
    """Features of independent data x_j of variance lam_j, and a target sum_j b_j x_j."""

    eigenvalues: Floats
    """lam_j, falling, shape (nodes,)."""
    target: Floats
    """b_j, shape (nodes,)."""
    weights: Floats
    """Number of features that each node stands for, shape (nodes,)."""

    @property
    def n_features(self) -> float:
        """v."""
        return float(self.weights.sum())

    @property
    def trace(self) -> float:
        """sum_j lam_j."""
        return float(self.weights @ self.eigenvalues)

    @property
    def powers(self) -> Floats:
        """Power of the target in each node, weights lam b^2, shape (nodes,)."""
        return self.weights * self.eigenvalues * self.target**2


def power_law(alpha: float, beta: float, n_features: int) -> Spectrum:
    """lam_j = j^(-2 alpha) and b_j = j^-beta for j = 1, ..., n_features.

    Parameters
    ----------
    alpha, beta : float
        Decay of the data and of the target, with alpha + beta > 1/2.
    n_features : int
        v, at least 1; the cost grows like its logarithm.

    Raises
    ------
    ValueError
        If alpha <= 0, alpha + beta <= 1/2 (nothing scales) or n_features < 1.
    """
    if not alpha > 0:
        raise ValueError(f"alpha = {alpha:g} is not positive")
    if not alpha + beta > 0.5:
        raise ValueError(
            f"alpha + beta = {alpha + beta:g} must be above 1/2: below, nothing scales"
        )
    j, weights = _nodes(_whole("n_features", n_features))
    return Spectrum(j ** (-2 * alpha), j**-beta, weights)


def given(eigenvalues: ArrayLike, target: ArrayLike) -> Spectrum:
    """A spectrum as measured: lam_j and b_j, one number per feature, in any order.

    Parameters
    ----------
    eigenvalues : array, shape (features,)
        Variances lam_j > 0 of the data along their principal axes.
    target : array, shape (features,)
        Coefficients b_j of the target sum_j b_j x_j along the same axes; signs do not matter.

    Raises
    ------
    ValueError
        If the shapes differ, a number is not finite or an eigenvalue is not positive.
    """
    lam, b = np.asarray(eigenvalues, float), np.asarray(target, float)
    if lam.ndim != 1 or lam.shape != b.shape:
        raise ValueError(f"eigenvalues {lam.shape} and target {b.shape} must be equally many")
    if not (np.isfinite(lam).all() and np.isfinite(b).all()):
        raise ValueError("eigenvalues and target must be finite numbers")
    if not (lam > 0).all():
        raise ValueError(f"eigenvalue {lam[~(lam > 0)][0]:g} is not positive; leave it out")
    order = np.argsort(-lam, kind="stable")
    return Spectrum(lam[order], b[order], np.ones(len(lam)))


def _whole(name: str, number: float) -> int:
    if not (number >= 1 and number == int(number)):
        raise ValueError(f"{name} = {number:g} is not a whole number above 0")
    return int(number)


@lru_cache(maxsize=256)
def _nodes(n_features: int) -> tuple[Floats, Floats]:
    """Nodes and weights of sum_{j=1}^v f(j), for f that is smooth in log j."""
    first = np.arange(1, min(EXACT, n_features + 1), dtype=float)
    nodes: list[Floats] = [first]
    weights: list[Floats] = [np.ones(len(first))]
    start = EXACT
    while start <= n_features:
        length = min(start, n_features + 1 - start)
        x, w = _block(length)
        nodes.append(start + (length - 1) / 2 + x)
        weights.append(w)
        start += length
    return np.concatenate(nodes), np.concatenate(weights)


@lru_cache(maxsize=256)
def _block(length: int) -> tuple[Floats, Floats]:
    """Gauss rule of the uniform measure on ``length`` integers, centred at 0.

    Its orthogonal polynomials are Chebyshev's discrete ones; nodes and weights are eigenvalues and
    first components of eigenvectors of their Jacobi matrix (Golub and Welsch 1969).
    """
    if length <= NODES:
        return np.arange(float(length)) - (length - 1) / 2, np.ones(length)
    k = np.arange(1.0, NODES)
    off_diagonal = np.sqrt(k**2 * (length**2 - k**2) / (4 * (4 * k**2 - 1)))
    x, vectors = eigh_tridiagonal(np.zeros(NODES), off_diagonal)
    return x, length * vectors[0] ** 2
