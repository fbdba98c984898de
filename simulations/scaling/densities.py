"""Eigenvalues of random features, and the target along their eigenvectors, for one draw of W."""

from __future__ import annotations

from math import inf
from typing import Annotated, NamedTuple

import numpy as np

from thermolimit.leaves import Label

from .disorder import Alpha, Beta, Dimension, Features, diagonalised, weighted_features

Ranks = Annotated[
    np.ndarray, "rank", (0.0, inf), Label(r"bounds of the bins, $j$ of $j^{-2 \alpha}$")
]


class Observables(NamedTuple):
    """What is found in each bin between two neighbouring bounds."""

    eigenvalues: Annotated[np.ndarray, "bin", Label("number of eigenvalues")]
    target_power: Annotated[
        np.ndarray, "bin", Label("power of the target along their eigenvectors")
    ]


def simulate(
    rng: np.random.Generator,
    alpha: Alpha,
    beta: Beta,
    *,
    dimension: Dimension,
    n_features: Features,
    rank: Ranks,
) -> Observables:
    """Eigenvalues of W^T D W and <U_i, D^(1/2) b>^2 in bins; see ``disorder``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of W.
    alpha, beta : float
        Standard deviations j^-alpha of the data, target j^-beta.
    dimension, n_features : int
        d < v.
    rank : ndarray
        Increasing j; a bin has the eigenvalues between j^(-2 alpha) of neighbouring j.
    """
    found = diagonalised(*weighted_features(rng, float(alpha), float(beta), dimension, n_features))
    at = found.eigenvalues ** (-1 / (2 * alpha))
    return Observables(np.histogram(at, rank)[0], np.histogram(at, rank, weights=found.start**2)[0])
