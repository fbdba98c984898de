r"""Loss of one-pass SGD on random features at any step, by one contour integral.

The mean loss obeys P(r) = F(r) + sum_{k<r} K(r-1-k) P(k) with forcing F and kernel K given by the
resolvent (Paquette, Paquette, Xiao and Pennington, arXiv:2405.15074). One step multiplies what is
known along an eigenvalue z by

.. math:: q(z) = 1 - 2 \gamma B z + \gamma^2 B (B+1) z^2 ,

a parabola: z and z' = 2 / (gamma (B+1)) - z have the same q. The z-transforms are then explicit,

.. math::
    \tilde F \frac{dq}{dz} = S(z') - S(z), \quad
    S(z) = \sum_j \frac{\lambda_j b_j^2}{\lambda_j m - z}, \qquad
    \tilde K = \frac{d}{B+1} \frac{z' (1 - m(z')) - z (1 - m(z))}{z - z'} ,
.. math::
    P(r) = \frac{F_0}{1 - \|K\|} - \frac1\pi \operatorname{Im} \int q^r
    \frac{S(z') - S(z)}{1 - \tilde K} dz

along the upper half of a contour in the plane of z that leaves the positive axis left of the
spectrum and ends where Re z = 1 / (gamma (B+1)), the fold of q. F and K are mixtures of real powers
q^r, so that spectrum, mirrored spectrum and zeros of 1 - K~ all lie on the real axis inside. Noise
of variance s^2 in the labels is power of the target on an eigenvalue 0: S gains -s^2 / z, and P
counts it.

``loss_curve(spectrum, dimension, step_size, batch, steps)`` is the plain call: NumPy in and out,
any real steps >= 0. ``forcing_and_kernel`` tabulates F and K for ``solvers.solve_volterra``.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log1p

from thermolimit.solvers import Label

from . import resolvent
from .spectra import Spectrum

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


class Contour(NamedTuple):
    """The path: an arc around 0, a ray, and a line towards the real axis below which q > 0."""

    start: float = 0.1
    """Radius of the arc in units of (1 - ||K||) times the least eigenvalue or mirror of one.

    The slowest decay of P, a zero of 1 - K~, lies between 0 and that point and must stay outside.
    """
    angle: float = np.pi / 4
    """Of the ray; up to pi/4, where |q| <= 1 on all of the path."""
    width: float = 1.8
    """Of a panel in log |z|, in units of the angle, which is the distance to the spectrum."""
    nodes: int = 20
    """Of the Gauss-Legendre rule of a panel; the arc has twice as many."""


class Loss(NamedTuple):
    """Mean over data and W, with the error of P(0) as a certificate."""

    loss: Annotated[Floats, "step", Label("loss, $P$")]
    residual: Annotated[float, Label("relative error of $P(0)$ by the same contour")]


class Transforms(NamedTuple):
    """On the nodes of a contour."""

    log_q: Complexes
    forcing: Complexes
    """F~ dq, with the weights of the rule."""
    kernel: Complexes
    """K~."""
    dq: Complexes
    """With the weights of the rule."""


CONTOUR = Contour()


def loss_curve(
    spectrum: Spectrum,
    dimension: float,
    step_size: float,
    batch: int,
    steps: ArrayLike,
    label_noise: float = 0.0,
    contour: Contour = CONTOUR,
) -> Loss:
    """P(r) of one-pass SGD from theta = 0, without a factor 1/2.

    Parameters
    ----------
    spectrum : Spectrum
        Of data and target.
    dimension : int
        d, number of random features.
    step_size : float
        gamma; the gradient is summed over the batch.
    batch : int
        B, fresh samples per step.
    steps : array
        r >= 0, real numbers: between whole steps the curve is interpolated analytically.
    label_noise : float
        Variance s^2 of the noise in the labels.

    Returns
    -------
    Loss
        P, of the shape of ``steps``, and |P(0) - sum_j lam_j b_j^2 - s^2| / P(0) by the same nodes.

    Raises
    ------
    ValueError
        If d is not below the number of features, the step size is not stable (the message states
        the largest one), or a step is negative.
    """
    steps = np.asarray(steps, float)
    if not (steps >= 0).all():
        raise ValueError(f"step = {steps[~(steps >= 0)].flat[0]:g} is negative")
    norm = stable_kernel_norm(spectrum, dimension, step_size, batch)
    at = transforms(spectrum, dimension, step_size, batch, label_noise, norm, contour)
    limit = (resolvent.irreducible_loss(spectrum, dimension) + label_noise) / (1 - norm)
    integrand = at.forcing / (1 - at.kernel)
    start = spectrum.powers.sum() + label_noise
    residual = abs(limit - integrand.imag.sum() / np.pi - start) / start
    return Loss(limit - integral(at.log_q, integrand, steps), float(residual))


def forcing_and_kernel(
    spectrum: Spectrum,
    dimension: float,
    step_size: float,
    batch: int,
    steps: ArrayLike,
    label_noise: float = 0.0,
    contour: Contour = CONTOUR,
) -> tuple[Floats, Floats]:
    """F(r) and K(r), of the shape of ``steps``; at r = 0, 1, 2, ... for ``solve_volterra``."""
    steps = np.asarray(steps, float)
    norm = stable_kernel_norm(spectrum, dimension, step_size, batch)
    at = transforms(spectrum, dimension, step_size, batch, label_noise, norm, contour)
    limit = resolvent.irreducible_loss(spectrum, dimension) + label_noise
    forcing = limit - integral(at.log_q, at.forcing, steps)
    return forcing, -integral(at.log_q, at.kernel * at.dq, steps)


def stable_kernel_norm(spectrum: Spectrum, dimension: float, step_size: float, batch: int) -> float:
    """||K||, or a ValueError that states the largest stable step size."""
    if not (batch >= 1 and batch == int(batch)):
        raise ValueError(f"batch = {batch:g} is not a whole number above 0")
    norm = resolvent.kernel_norm(spectrum, dimension, step_size, batch) if step_size > 0 else np.inf
    if not norm < 1:
        largest = resolvent.largest_step_size(spectrum, dimension, batch)
        raise ValueError(f"step_size = {step_size:g} is not stable; allowed is (0, {largest:.6g})")
    return norm


def integral(log_q: Complexes, integrand: Complexes, steps: Floats) -> Floats:
    """(1 / pi) Im sum of q^r times the integrand, which contains the weights of the rule."""
    powers = np.exp(steps.reshape(-1, 1) * log_q)
    return (powers @ integrand).imag.reshape(steps.shape) / np.pi


def transforms(
    spectrum: Spectrum,
    dimension: float,
    step_size: float,
    batch: int,
    label_noise: float,
    norm: float,
    contour: Contour,
) -> Transforms:
    """z-transforms of forcing and kernel on the nodes of a contour."""
    fold = 1 / (step_size * (batch + 1))
    mirrored = 2 * fold - resolvent.right_edge(spectrum, dimension)
    slowest = (1 - norm) * min(resolvent.left_edge(spectrum, dimension), mirrored)
    z, dz = _path(fold, batch, slowest, contour)
    mirror = 2 * fold - z
    both = np.concatenate([z, mirror])
    w, m, _ = resolvent.solve(spectrum, dimension, both)
    ratio = 1 / (spectrum.eigenvalues - w[:, None])
    signal = (ratio @ spectrum.powers) / m - label_noise / both
    filling = both * (ratio @ (spectrum.weights * spectrum.eigenvalues))  # z (1 - m) d
    half = len(z)
    kernel = (filling[half:] - filling[:half]) / ((batch + 1) * (z - mirror))
    curvature = step_size**2 * batch * (batch + 1)
    log_q = log1p(-curvature * z * mirror)
    return Transforms(
        log_q, (signal[half:] - signal[:half]) * dz, kernel, curvature * (z - mirror) * dz
    )


def _path(fold: float, batch: int, slowest: float, contour: Contour) -> tuple[Complexes, Complexes]:
    """Nodes z and weights dz from the positive axis to Re z = fold."""
    radius, corner = contour.start * slowest, fold / 2 * (1 + 1j * np.tan(contour.angle))
    # q = 3 / (4 (B + 1)) at the end: q^r is the analytic one for all real r if q > 0 there
    end = fold * (1 + 0.5j / np.sqrt(batch))
    x, dx = _rule(0.0, contour.angle, np.inf, 2 * contour.nodes)
    arc: Complexes = np.exp(np.log(radius) + 1j * x)
    x, dx_ray = _rule(
        np.log(radius), np.log(abs(corner)), contour.width * contour.angle, contour.nodes
    )
    ray: Complexes = np.exp(x + 1j * contour.angle)
    # panels of the line shrink with the height above the spectrum
    length, height = abs(end - corner), end.imag
    x, dx_line = _rule(np.log(length + height), np.log(height), contour.width / 3, contour.nodes)
    towards = (corner - end) / length
    line: Complexes = end + towards * (np.exp(x) - height)
    z = np.concatenate([arc, ray, line])
    return z, np.concatenate([1j * dx * arc, dx_ray * ray, dx_line * towards * np.exp(x)])


def _rule(start: float, end: float, width: float, nodes: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre rules on panels of at most this width."""
    panels = max(1, int(np.ceil(abs(end - start) / width)))
    x, weights = np.polynomial.legendre.leggauss(nodes)
    step = (end - start) / panels
    left = start + step * np.arange(panels)
    return (left[:, None] + step * (x + 1) / 2).ravel(), np.tile(weights, panels) * step / 2
