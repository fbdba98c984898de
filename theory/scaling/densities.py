r"""Where eigenvalues of random features lie, and how much of the target lies along them.

K^ = D^(1/2) W W^T D^(1/2) has the nonzero eigenvalues lam_i of W^T D W, eigenvectors U_i, and the
resolvent of ``resolvent``. Between two points x of its spectrum lie, on average over W at large d,

.. math::
    \frac1\pi \operatorname{Im} \int \operatorname{Tr} R(z) dz \quad\text{eigenvalues, and}\quad
    \frac1\pi \operatorname{Im} \int \langle D^{1/2} b, R(z) D^{1/2} b \rangle dz

of the power of the target, along any path above the real axis (E. Paquette, C. Paquette, L. Xiao
and J. Pennington, arXiv:2405.15074). Half an ellipse needs no distance from the axis.
An isolated eigenvalue of a finite network is spread differently, and the same only in sum: bounds
of bins should lie between the j^(-2 alpha), and are given as j = ``rank``.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, NamedTuple

import numpy as np

from thermolimit.solvers import Label

from . import resolvent, spectra
from .random_features import Alpha, Beta, Dimension, Features

NODES = 80  # of the Gauss-Legendre rule on half an ellipse in the plane of log z
HIGHEST = 1.0  # of its imaginary part

Ranks = Annotated[
    np.ndarray, "rank", (0.0, inf), Label(r"bounds of the bins, $j$ of $j^{-2 \alpha}$")
]


class Masses(NamedTuple):
    """What is found in each bin between two neighbouring bounds."""

    eigenvalues: Annotated[np.ndarray, "bin", Label("number of eigenvalues")]
    target_power: Annotated[
        np.ndarray, "bin", Label("power of the target along their eigenvectors")
    ]


def masses(
    alpha: Alpha, beta: Beta, *, dimension: Dimension, n_features: Features, rank: Ranks
) -> Masses:
    """Number of eigenvalues, and sum of <U_i, D^(1/2) b>^2, in bins of the eigenvalue.

    Parameters
    ----------
    alpha, beta : float
        Decay of data and target, above 0, with alpha + beta > 1/2.
    dimension, n_features : int
        d < v.
    rank : ndarray, shape (bins + 1,)
        Increasing j; a bin has the eigenvalues between j^(-2 alpha) of neighbouring j.

    Raises
    ------
    ValueError
        Outside of these ranges.
    """
    spectrum = spectra.power_law(alpha, beta, n_features)
    x, weights = np.polynomial.legendre.leggauss(NODES)
    cos, sin = np.cos(np.pi * (1 - x) / 2), np.sin(np.pi * (1 - x) / 2)
    middle = -alpha * np.log(rank[1:] * rank[:-1])
    half = alpha * np.log(rank[1:] / rank[:-1])[:, None]
    height = np.minimum(half, HIGHEST)
    z = np.exp(middle[:, None] + half * cos + 1j * height * sin)
    dz = z * (half * sin - 1j * height * cos) * weights / 2  # over pi
    w, m, _ = resolvent.solve(spectrum, dimension, z)
    trace = (dimension * (1 - m) - n_features) / z
    target = (1 / (spectrum.eigenvalues - w[..., None])) @ spectrum.powers / m
    return Masses(np.sum(trace * dz, 1).imag, np.sum(target * dz, 1).imag)
