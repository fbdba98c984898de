r"""Power-law random features: the draw of W, and the modes in which gradient descent moves.

Data x in R^v have independent normal components of variance j^(-2 alpha), j = 1..v; the target is
y = x.b with b_j = j^-beta; random features W^T x in R^d, W of shape (v, d), entries N(0, 1 / d).
With D = diag(j^(-2 alpha)) the loss is P(theta) = |D^(1/2) (W theta - b)|^2, without a factor 1/2.

W is drawn and diagonalised by NumPy in float64, whatever the precision of the run: its singular
values span more digits than float32 has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import inf
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thermolimit.leaves import Interval, Label

Number = Array | float
Alpha = Annotated[Number, (0.0, inf), Label(r"decay of the data, $\alpha$")]
Beta = Annotated[Number, (0.0, inf), Label(r"decay of the target, $\beta$")]
Draw = Annotated[
    int,
    Interval(0, inf, closed=True),
    Label("number of the W of all replicas; 0: each its own"),
]
Dimension = Annotated[int, Interval(1, inf, closed=True), Label("parameters, $d$")]
Features = Annotated[int, Interval(2, inf, closed=True), Label("features of the data, $v$")]


class Modes(NamedTuple):
    """The loss is |f|^2 + noise^2 with f_i = sqrt(lam_i) <u_i, theta - theta*>.

    (lam_i, u_i) are eigenpairs of W^T D W, and theta* is the minimum of the loss.
    """

    eigenvalues: Any  # (d,), lam, decreasing
    start: Any  # (d,), f at theta = 0
    noise: Any  # (), square root of the loss at theta*


class Weighted(NamedTuple):
    """The loss is |features theta - target|^2."""

    features: Array  # (v, d), D^(1/2) W
    target: Array  # (v,), D^(1/2) b


def shared_disorder(draw: int, *, dimension: int, n_features: int) -> np.ndarray:
    """The W, shape (v, d), of all runs with this ``draw``, which is at least 1."""
    return _features(np.random.default_rng((0, draw)), dimension, n_features)


def modes(key: Array, alpha: Number, beta: Number, draw: Array | int, d: int, v: int) -> Modes:
    """Modes of the W of this draw, or of the key's own; may be traced and batched."""
    return Modes(*_on_the_host(_modes, [(d,), (d,), ()], key, alpha, beta, draw, d, v))


def weighted(
    key: Array, alpha: Number, beta: Number, draw: Array | int, d: int, v: int
) -> Weighted:
    """The same W in the coordinates of the data."""
    return Weighted(*_on_the_host(_weighted, [(v, d), (v,)], key, alpha, beta, draw, d, v))


def _on_the_host(
    fn: Callable[..., Any], shapes: Any, key: Array, alpha, beta, draw, d: int, v: int
) -> Any:
    """``fn(words, alpha, beta, d, v)``, where the words are the seed of W, as arrays of the run."""
    _check_dimension(d, v)
    draw = jnp.asarray(draw, jnp.uint32)
    shared = jnp.stack([jnp.zeros_like(draw), draw])
    words = jnp.where(draw > 0, shared, jax.random.key_data(key))

    def call(words, *exponents):
        alpha, beta = (float(np.asarray(halves, float).sum()) for halves in exponents)
        found = fn(tuple(np.asarray(words).tolist()), alpha, beta, d, v)
        return [np.stack(_halves(np.asarray(x))) for x in found]

    dtype = jnp.result_type(float)
    given = (jnp.stack(_halves(jnp.asarray(x, dtype))) for x in (alpha, beta))
    results = [jax.ShapeDtypeStruct((2, *shape), np.float32) for shape in shapes]
    found = jax.pure_callback(call, results, words, *given, vmap_method="sequential")
    return [jnp.sum(halves.astype(dtype), axis=0) for halves in found]


def _halves(x: Any) -> list[Any]:
    """Two float32 whose sum is x: callbacks run in a thread that knows no float64."""
    upper = x.astype(np.float32)
    return [upper, (x - upper.astype(x.dtype)).astype(np.float32)]


def weighted_features(
    rng: np.random.Generator, alpha: float, beta: float, d: int, v: int
) -> tuple[np.ndarray, np.ndarray]:
    """D^(1/2) W for a W from this generator, and D^(1/2) b."""
    j = np.arange(1.0, v + 1)
    return j[:, None] ** -alpha * _features(rng, d, v), j ** (-alpha - beta)


def diagonalised(features: np.ndarray, target: np.ndarray) -> Modes:
    """With the target as the last column, the corner of R is what the features cannot reach."""
    R: Any = np.linalg.qr(np.column_stack([features, target]), mode="r")
    U, singular, _ = np.linalg.svd(R[:-1, :-1])
    return Modes(singular**2, -R[:-1, -1] @ U, abs(R[-1, -1]))


def modes_of_spectrum(
    rng: np.random.Generator, variances: np.ndarray, target: np.ndarray, dimension: int
) -> Modes:
    """Modes of a W from this generator, for data and a target of your own.

    Parameters
    ----------
    rng : Generator
        Of W.
    variances, target : ndarray
        lam_j > 0 of the data along their principal axes, and b_j along the same axes, shape (v,).
    dimension : int
        d < v.

    Raises
    ------
    ValueError
        If d is not below v.
    """
    _check_dimension(dimension, len(variances))
    root = np.sqrt(variances)
    features = _features(rng, dimension, len(root))
    return diagonalised(root[:, None] * features, root * target)


def _check_dimension(d: int, v: int) -> None:
    if not d < v:
        raise ValueError(
            f"dimension = {d} is not below n_features = {v}: "
            "random features must be fewer than those of the data"
        )


def _features(rng: np.random.Generator, d: int, v: int) -> np.ndarray:
    return rng.standard_normal((v, d)) / np.sqrt(d)


def _weighted(words: tuple[int, ...], alpha: float, beta: float, d: int, v: int) -> Any:
    return weighted_features(np.random.default_rng(words), alpha, beta, d, v)


@lru_cache(maxsize=1)  # replicas that share a W follow one another
def _modes(words: tuple[int, ...], alpha: float, beta: float, d: int, v: int) -> Any:
    return diagonalised(*_weighted(words, alpha, beta, d, v))
