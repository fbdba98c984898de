r"""Compute-optimal frontier of random features, on the deterministic equivalent of the loss.

With compute f = d B r, which counts multiplications up to a constant,

.. math:: P^*(f) = \min_d P(f / (d B); d).

``at_flops`` gives curves on common f, for envelopes and isoflop slices; ``direct`` refines d
continuously; ``tuned`` chooses the step size too, at a given batch. These are formulas of a power
law for ``solvers.evaluate``; ``minimum`` does the same for spectra of your own. The average over W
is taken before the minimum.

E. Paquette, C. Paquette, L. Xiao and J. Pennington, arXiv:2405.15074.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit

from thermolimit.solvers import Interval, Label

from . import contour, resolvent, spectra
from .random_features import Alpha, Batch, Beta
from .spectra import Spectrum

Floats = NDArray[np.float64]

EARLIEST = 10.0  # steps; before, P(r) is no sum of power laws
SMALLEST = 20.0  # dimension of the scan
PER_DECADE = 5  # dimensions of the scan
PRECISION = 1e-3  # of log d; the loss is flat there
COARSE = 3e-3  # the same with the step size

Dimension = Annotated[float, Interval(1.0, inf, closed=True), Label("dimension, $d$")]
Flops = Annotated[Floats, "flops", (0.0, inf), Label("compute, $f = d B r$")]
ReducedStepSize = Annotated[
    float, (0.0, inf), Label(r"step size in units of $1 / \sum_j j^{-2\alpha}$")
]
Ratio = Annotated[float, (1.0, inf), Label("dimension of the data over that of the model, $v / d$")]
Losses = Annotated[Floats, "flops", Label("loss, $P$")]
OptimalLosses = Annotated[Floats, "flops", Label("least loss at this compute, $P^*$")]
OptimalDimensions = Annotated[Floats, "flops", Label("best dimension, $d^*$")]


class Curve(NamedTuple):
    """Loss of one dimension at given compute."""

    loss: Losses
    step: Annotated[Floats, "flops", Label("steps, $r$")]


class Optimum(NamedTuple):
    """The frontier."""

    optimal_loss: OptimalLosses
    optimal_dimension: OptimalDimensions


class Tuned(NamedTuple):
    """The frontier where the step size is the best one as well."""

    optimal_loss: OptimalLosses
    optimal_dimension: OptimalDimensions
    optimal_step_size: Annotated[
        Floats, "flops", Label(r"best step size in units of $1 / \sum_j j^{-2\alpha}$")
    ]


def at_flops(
    alpha: Alpha,
    beta: Beta,
    dimension: Dimension,
    flops: Flops,
    batch: Batch = 1,
    reduced_step_size: ReducedStepSize = 0.5,
    ratio: Ratio = 4.0,
) -> Curve:
    """P(f / (d B); d), with v = ratio d to the nearest whole number.

    ``flops`` has any shape and must be positive; r need not be whole. Raises ValueError where SGD
    is unstable.
    """
    spectrum = spectra.power_law(alpha, beta, round(ratio * dimension))
    steps = np.asarray(flops, float) / (dimension * batch)
    step_size = reduced_step_size / spectrum.trace
    curve = contour.loss_curve(spectrum, dimension, step_size, batch, steps)
    return Curve(curve.loss, steps)


def direct(
    alpha: Alpha,
    beta: Beta,
    flops: Flops,
    batch: Batch = 1,
    reduced_step_size: ReducedStepSize = 0.5,
    ratio: Ratio = 4.0,
) -> Optimum:
    """P*(f) and d*(f) with d refined continuously; NaN where the best d is at an end of its range.

    d is at least 20 and leaves at least 10 steps.
    """

    def loss(dimension: float, flops: Floats) -> Floats:
        return at_flops(alpha, beta, dimension, flops, batch, reduced_step_size, ratio).loss

    return minimum(loss, flops, largest=np.max(flops) / (EARLIEST * batch), batch=batch)


def tuned(alpha: Alpha, beta: Beta, flops: Flops, batch: Batch = 1, ratio: Ratio = 4.0) -> Tuned:
    """P*(f) where dimension and step size are the best ones for this batch.

    ``evaluate`` it over ``batch`` to find the best batch. NaN as in ``direct``, for half of the
    largest stable step size, from where the search starts.
    """

    def loss(dimension: float, flops: Floats, fraction: float = 0.5) -> Floats:
        spectrum, largest = _largest_step_size(alpha, beta, dimension, batch, ratio)
        steps = flops / (dimension * batch)
        return contour.loss_curve(spectrum, dimension, fraction * largest, batch, steps).loss

    def best(f: float, dimension: float) -> tuple[float, float, float]:
        if np.isnan(dimension):
            return np.nan, np.nan, np.nan
        found = minimize(
            lambda x: np.log(loss(np.exp(x[0]), np.array([f]), expit(x[1]))[0]),
            (np.log(dimension), 0.0),
            method="Nelder-Mead",
            options={"xatol": COARSE, "fatol": COARSE**2},
        )
        dimension = np.exp(found.x[0])
        spectrum, largest = _largest_step_size(alpha, beta, dimension, batch, ratio)
        return np.exp(found.fun), dimension, expit(found.x[1]) * largest * spectrum.trace

    first = minimum(loss, flops, largest=np.max(flops) / (EARLIEST * batch), batch=batch)
    sizes = first.optimal_dimension
    return Tuned(*np.array([best(f, d) for f, d in zip(flops, sizes, strict=True)]).T)


def _largest_step_size(
    alpha: float, beta: float, dimension: float, batch: int, ratio: float
) -> tuple[Spectrum, float]:
    spectrum = spectra.power_law(alpha, beta, round(ratio * dimension))
    return spectrum, resolvent.largest_step_size(spectrum, dimension, batch)


def minimum(
    loss: Callable[[float, Floats], Floats], flops: Floats, *, largest: float, batch: int = 1
) -> Optimum:
    """The frontier of any curves that are known at all d.

    Parameters
    ----------
    loss : callable
        ``loss(dimension, flops)``, shape (points,) as ``flops``; for a ``Spectrum`` of your own
        ``loss_curve(spectrum, dimension, step_size, batch, flops / (dimension * batch)).loss``.
    flops : array, shape (points,)
        f.
    largest : float
        Largest d to look at; the smallest is 20.
    batch : int
        B, which says how many steps there are at given f and d.

    Returns
    -------
    Optimum
        Shape (points,). NaN where the least loss is at the smallest or largest d, or at the largest
        one that leaves 10 steps.
    """
    flops = np.asarray(flops, float)
    points = max(3, round(PER_DECADE * np.log10(largest / SMALLEST)) + 1)
    sizes = np.geomspace(SMALLEST, largest, points)
    table = np.array([loss(d, flops) for d in sizes])
    table[flops / (sizes[:, None] * batch) < EARLIEST] = inf
    best = np.array(
        [_refined(loss, f, sizes, column) for f, column in zip(flops, table.T, strict=True)]
    )
    return Optimum(best[:, 0], best[:, 1])


def _refined(loss: Callable[[float, Floats], Floats], flops: float, sizes: Floats, found: Floats):
    """Least loss and its dimension, next to the smallest loss of the scan."""
    at = int(np.argmin(found))
    if at in (0, len(sizes) - 1) or not np.isfinite(found[at + 1]):
        return np.nan, np.nan
    best = minimize_scalar(
        lambda x: np.log(loss(np.exp(x), np.array([flops]))[0]),
        bounds=np.log((sizes[at - 1], sizes[at + 1])),
        method="bounded",
        options={"xatol": PRECISION},
    )
    return np.exp(best.fun), np.exp(best.x)
