r"""Power-law random features trained by one-pass SGD: mean loss, its limits and its pieces.

Data x in R^v, x_j = j^-alpha z_j with standard normal z_j, and a target y = sum_j j^-beta x_j, to
which noise of variance s^2 may be added; features a = W^T x in R^d with entries N(0, 1/d) of W, and

.. math::
    P(\theta) = E (a \cdot \theta - y)^2, \qquad
    \theta_{r+1} = \theta_r - \gamma \sum_{i \le B} a_i (a_i \cdot \theta_r - y_i), \qquad
    \theta_0 = 0,

without a factor 1/2, the gradient summed over the batch (E. Paquette, C. Paquette, L. Xiao and
J. Pennington, arXiv:2405.15074). P includes the noise of the labels. The theory is the
deterministic equivalent, the average over W at large d; at finite d the average is larger, by 1 to
3 / d of it where that was simulated. All is dimensionless: lam_1 = b_1 = 1.

The functions are formulas for ``solvers.evaluate``. ``loss`` and ``limits`` are for the power law,
``loss_of_spectrum`` and ``limits_of_spectrum`` take eigenvalues lam_j and coefficients b_j as
measured. ``step_size`` gives the usual choice of gamma, which has to shrink with v if 2 alpha < 1.
Plain functions of arrays are in ``contour`` and ``resolvent``, the pieces in ``pieces``.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, NamedTuple

import numpy as np

from thermolimit.solvers import Interval, Label

from . import contour, resolvent, spectra
from .contour import Loss

NotNegative = Interval(0.0, inf, closed=True)
Whole = Interval(1, inf, closed=True)

Alpha = Annotated[float, (0.0, inf), Label(r"decay of the data, $\alpha$")]
Beta = Annotated[float, (0.0, inf), Label(r"decay of the target, $\beta$")]
StepSize = Annotated[float, (0.0, inf), Label(r"step size, $\gamma$")]
Batch = Annotated[int, Whole, Label("examples per step, $B$")]
LabelNoise = Annotated[float, NotNegative, Label("variance of the noise in the labels, $s^2$")]
Dimension = Annotated[int, Whole, Label("parameters, $d$")]
Features = Annotated[int, Interval(2, inf, closed=True), Label("features of the data, $v$")]
Steps = Annotated[int, "step", NotNegative, Label("step, $r$")]
Eigenvalues = Annotated[
    np.ndarray, "feature", (0.0, inf), Label(r"variances of the data, $\lambda_j$")
]
Target = Annotated[np.ndarray, "feature", Label("coefficients of the target, $b_j$")]


class Limits(NamedTuple):
    """What does not depend on time."""

    tau: Annotated[float, Label(r"inverse effective ridge at ridge 0, $\tau$")]
    irreducible_loss: Annotated[float, Label("loss of the best student, $F_0 + s^2$")]
    kernel_norm: Annotated[float, Label(r"norm of the kernel, $\|K\|$")]
    limit_loss: Annotated[float, Label(r"loss at late times, $(F_0 + s^2) / (1 - \|K\|)$")]
    largest_step_size: Annotated[float, Label(r"largest stable step size, $\gamma_{\max}$")]
    right_edge: Annotated[float, Label(r"largest eigenvalue of $W^\top D W$")]


class Choice(NamedTuple):
    """A step size."""

    step_size: StepSize


def loss(
    alpha: Alpha,
    beta: Beta,
    step_size: StepSize,
    batch: Batch = 1,
    label_noise: LabelNoise = 0.0,
    *,
    dimension: Dimension,
    n_features: Features,
    step: Steps,
) -> Loss:
    """P(r) at any steps, in about 0.1 s whatever d and r are; see ``contour``.

    Parameters
    ----------
    alpha, beta : float
        Decay of data and target, above 0, with alpha + beta > 1/2.
    step_size : float
        gamma, below ``limits(...).largest_step_size``.
    batch : int
        B >= 1.
    label_noise : float
        s^2 >= 0.
    dimension, n_features : int
        d < v.
    step : array of int, shape (step,)
        r >= 0, whole numbers.

    Raises
    ------
    ValueError
        Outside of these ranges; an unstable step size is told the largest stable one.
    """
    spectrum = spectra.power_law(alpha, beta, n_features)
    return contour.loss_curve(spectrum, dimension, step_size, batch, step, label_noise)


def loss_of_spectrum(
    step_size: StepSize,
    batch: Batch = 1,
    label_noise: LabelNoise = 0.0,
    *,
    dimension: Dimension,
    eigenvalues: Eigenvalues,
    target: Target,
    step: Steps,
) -> Loss:
    """``loss`` for data and a target as measured.

    Parameters
    ----------
    eigenvalues, target : array, shape (feature,)
        Variances lam_j > 0 of the data along their principal axes, coefficients b_j of the target
        along the same axes; the other parameters and the errors are those of ``loss``.
    """
    spectrum = spectra.given(eigenvalues, target)
    return contour.loss_curve(spectrum, dimension, step_size, batch, step, label_noise)


def limits(
    alpha: Alpha,
    beta: Beta,
    step_size: StepSize,
    batch: Batch = 1,
    label_noise: LabelNoise = 0.0,
    *,
    dimension: Dimension,
    n_features: Features,
) -> Limits:
    """Irreducible loss, stability and the loss at late times; parameters as of ``loss``.

    An unstable step size is allowed here: its limit loss is inf, its status NOT_FINITE.
    """
    spectrum = spectra.power_law(alpha, beta, n_features)
    return _limits(spectrum, dimension, step_size, batch, label_noise)


def limits_of_spectrum(
    step_size: StepSize,
    batch: Batch = 1,
    label_noise: LabelNoise = 0.0,
    *,
    dimension: Dimension,
    eigenvalues: Eigenvalues,
    target: Target,
) -> Limits:
    """``limits`` for data and a target as measured; parameters as of ``loss_of_spectrum``."""
    spectrum = spectra.given(eigenvalues, target)
    return _limits(spectrum, dimension, step_size, batch, label_noise)


def step_size(
    alpha: Alpha,
    reduced_step_size: Annotated[float, (0.0, inf), Label(r"$\gamma \sum_j \lambda_j$")] = 0.5,
    *,
    n_features: Features,
) -> Choice:
    """gamma = reduced_step_size / sum_j lam_j, stable at B = 1 up to 2 if alpha is small.

    Check it against ``limits(...).largest_step_size`` for large alpha and for B > 1.
    """
    return Choice(reduced_step_size / spectra.power_law(alpha, 1.0, n_features).trace)


def _limits(
    spectrum: spectra.Spectrum, dimension: int, step_size: float, batch: int, label_noise: float
) -> Limits:
    irreducible = resolvent.irreducible_loss(spectrum, dimension) + label_noise
    norm = resolvent.kernel_norm(spectrum, dimension, step_size, batch)
    return Limits(
        tau=resolvent.tau(spectrum, dimension),
        irreducible_loss=irreducible,
        kernel_norm=norm,
        limit_loss=irreducible / (1 - norm) if norm < 1 else inf,
        largest_step_size=resolvent.largest_step_size(spectrum, dimension, batch),
        right_edge=resolvent.right_edge(spectrum, dimension),
    )
