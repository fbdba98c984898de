"""Averages over a Gaussian field that stay exact at low temperature.

A function such as tanh(h / T) changes on the scale T around h = 0, wherever that lies under the
Gaussian, and has poles at a distance of order T from the real axis. Gauss-Hermite nodes do not
know this and lose digits at low T (201 nodes: 1e-5 at T = 0.1, standard deviation 0.4).
``SinhTrapezoid`` puts its nodes where the function changes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

CUT = 9.0  # nodes span |z| <= CUT: the weight beyond is 3e-18
WIDEST = 10.0  # a wider sinh is a plain trapezoid over the whole Gaussian
FORGOTTEN = 7.7  # a feature at |z0| > 7.7 has weight below 1e-13
ROUNDING = 1e-12  # a variance this little below zero is zero
SHARPNESS = 2.0  # w in units of scale / std


class GaussianRule(Protocol):
    """Nodes and weights for the mean of a function of a standard normal variable z."""

    def nodes_and_weights(self, mean: Array, std: Array, scale: Array) -> tuple[Array, Array]:
        """z and weights that sum to one, for a field mean + std z: arrays (pairs, 2).

        The two nodes of a pair are mirror images when the field is zero in the middle.
        """
        ...

    def refined(self) -> GaussianRule:
        """A rule with three times as many nodes, to certify results of this one."""
        ...


@dataclass(frozen=True)
class SinhTrapezoid:
    """Trapezoidal rule in u, z = z0 + w sinh(u): z0 where the field is zero, w about scale / std.

    Parameters
    ----------
    nodes : int
        Number of nodes, odd. 101 give tanh(h / T) to 1e-12 from T = 0.1 std upwards wherever its
        zero lies, and to 1e-8 at T = 0.01 std; the certificate of a result tells.
    """

    nodes: int = 101

    def __post_init__(self) -> None:
        _check_odd(self.nodes)

    def nodes_and_weights(self, mean: Array, std: Array, scale: Array) -> tuple[Array, Array]:
        """Nodes and weights, arrays (pairs, 2)."""
        centre = jnp.clip(-mean / std, -CUT, CUT)
        # what happens at z0 counts with weight exp(-z0^2 / 2): the further out, the coarser it may
        # be resolved, and the finer the nodes under the bulk of the Gaussian
        weight_left = jnp.maximum(1 - centre**2 / FORGOTTEN**2, 0.0)
        width = 1 / (1 / WIDEST + weight_left * std / (SHARPNESS * scale))
        left, right = jnp.arcsinh((CUT + centre) / width), jnp.arcsinh((CUT - centre) / width)
        half = (right + left) / 2
        u = (right - left) / 2 + half * _mirrored(np.linspace(0.0, 1.0, 1 + self.nodes // 2))
        # compiled sinh is odd only up to rounding, and the pairs must mirror to the last bit
        z = centre + width * jnp.sign(u) * jnp.sinh(jnp.abs(u))
        density = jnp.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        step = half / (self.nodes // 2)
        return z, step * width * jnp.cosh(u) * density * _shares(self.nodes)

    def refined(self) -> SinhTrapezoid:
        """The rule with three times as many nodes."""
        return dataclasses.replace(self, nodes=3 * self.nodes)


@dataclass(frozen=True)
class GaussHermite:
    """Gauss-Hermite rule, exact for polynomials of degree < 2 nodes; for slowly varying functions.

    Parameters
    ----------
    nodes : int
        Number of nodes, odd.
    """

    nodes: int = 41

    def __post_init__(self) -> None:
        _check_odd(self.nodes)

    def nodes_and_weights(self, mean: Array, std: Array, scale: Array) -> tuple[Array, Array]:
        """Nodes and weights, arrays (pairs, 2); they do not depend on the field."""
        z, weights = np.polynomial.hermite_e.hermegauss(self.nodes)
        upper = slice(self.nodes // 2, None)
        dtype = jnp.result_type(std)
        shared = weights[upper, None] * _shares(self.nodes) / weights.sum()
        return jnp.asarray(_mirrored(z[upper]), dtype), jnp.asarray(shared, dtype)

    def refined(self) -> GaussHermite:
        """The rule with three times as many nodes."""
        return dataclasses.replace(self, nodes=3 * self.nodes)


def _check_odd(nodes: int) -> None:
    if nodes < 3 or nodes % 2 == 0:
        raise ValueError(f"nodes = {nodes} is not an odd number above 1")


def _mirrored(positive: np.ndarray) -> np.ndarray:
    """(+x, -x) side by side: compiled code treats neighbours alike, to the last bit."""
    return np.stack([positive, -positive], axis=1)


def _shares(nodes: int) -> np.ndarray:
    """Array (pairs, 2): the middle node fills both places of the first pair, half in each."""
    shares = np.ones((1 + nodes // 2, 2))
    shares[0] = 0.5
    return shares


def expectation(
    fn: Callable[..., Any],
    mean: Any,
    variance: Any,
    *args: Any,
    scale: Any,
    rule: GaussianRule,
) -> Any:
    """Mean of ``fn(h, *args)`` over a Gaussian field h.

    Parameters
    ----------
    fn : callable
        Of one field value and ``args``; returns a scalar, an array, or a pytree of these. What is
        differentiated must enter through ``args``, not through a closure.
    mean, variance : float
        Of the field, in units of the coupling. ``variance = 0`` is allowed and differentiable.
    *args : float or array
        Further arguments of ``fn``.
    scale : float
        Distance over which ``fn`` varies near h = 0; usually the temperature.
    rule : GaussianRule
        Where the nodes lie.

    Returns
    -------
    Like the result of ``fn``.

    Notes
    -----
    Derivatives in the variance use Price's theorem, d/dv E f(h) = E f''(h) / 2 (Price 1958):
    differentiating through sqrt(variance) gives inf at zero variance, where every paramagnetic
    branch lies.
    """
    dtype = jnp.result_type(float, mean, variance, scale)
    mean, variance, scale = (jnp.asarray(x, dtype) for x in (mean, variance, scale))
    return _expectation(fn, rule, mean, variance, scale, tuple(jnp.asarray(a) for a in args))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _expectation(fn, rule, mean, variance, scale, args):
    tiny = jnp.finfo(variance.dtype).tiny
    z, weights = rule.nodes_and_weights(mean, jnp.sqrt(jnp.maximum(variance, tiny)), scale)
    at_fields = jax.vmap(jax.vmap(lambda h: fn(h, *args)))
    # Newton's method touches the paramagnetic branch, where the variance is zero, with rounding
    variance = jnp.where((variance < 0) & (variance > -ROUNDING), 0.0, variance)
    values = at_fields(mean + jnp.sqrt(variance) * z)
    return jax.tree.map(partial(_paired_sum, weights), values)


def _paired_sum(weights, values):
    weights = weights.reshape(weights.shape + (1,) * (values.ndim - 2))
    # in pairs +u, -u: odd integrands cancel exactly, so a symmetric start stays symmetric
    return jnp.sum(jnp.sum(weights * values, axis=1), axis=0)


@_expectation.defjvp
def _expectation_jvp(fn, rule, primals, tangents):
    mean, variance, scale, args = primals
    d_mean, d_variance, _, d_args = tangents  # the value does not depend on where the nodes lie

    def slope(h, *args):
        return jax.jvp(lambda h: fn(h, *args), (h,), (jnp.ones_like(h),))[1]

    def value_and_derivatives(h, *args):
        curvature = jax.jvp(lambda h: slope(h, *args), (h,), (jnp.ones_like(h),))[1]
        in_args = jax.jacfwd(lambda args: fn(h, *args))(args) if args else None
        return fn(h, *args), slope(h, *args), curvature, in_args

    value, f1, f2, f_args = _expectation(value_and_derivatives, rule, mean, variance, scale, args)

    def tangent(value, f1, f2, *f_args):
        # f_args: one derivative per argument, of the shape of the value and then of the argument
        by_args = (jnp.tensordot(f, d, axes=d.ndim) for f, d in zip(f_args, d_args, strict=True))
        return f1 * d_mean + f2 * d_variance / 2 + sum(by_args, jnp.zeros_like(value))

    if args:
        leaves, tree = jax.tree.flatten(value)
        per_leaf = zip(
            leaves,
            jax.tree.leaves(f1),
            jax.tree.leaves(f2),
            tree.flatten_up_to(f_args),
            strict=True,
        )
        return value, tree.unflatten([tangent(v, a, b, *c) for v, a, b, c in per_leaf])
    return value, jax.tree.map(tangent, value, f1, f2)
