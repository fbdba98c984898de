"""Associative memories with random embeddings: their exact error, one draw of them at a time.

Tokens x = 0, ..., N - 1 of probability p(x) proportional to (x + 1)^-alpha have a class
f(x) = x mod M. The memory W = sum_x q(x) u_f(x) e_x^T answers with the first class of largest score
u_y^T W e_x. The error is a sum over p, so that no token is sampled at the test.

The d x d matrix W is never built: with the class sums A_y = sum_{f(x) = y} q(x) e_x and the Gram
matrix G of the u_y the scores are E (G A)^T, two products of order N M d.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from thermolimit.leaves import Interval, Label, check_word

INFINITE = 0  # samples of infinite data
MOST_SAMPLES = 2**24  # counts above are not exact in single precision
AT_ONCE = 2**22  # numbers of embeddings that are kept; more are drawn twice, in blocks of tokens

Alpha = Annotated[Array | float, (1.0, inf), Label(r"decay of the frequencies, $\alpha$")]
Rho = Annotated[
    Array | float, Interval(0, inf, closed=True), Label(r"exponent of the strengths, $\rho$")
]
Dimension = Annotated[int, Interval(1, inf, closed=True), Label("dimension, $d$")]
Tokens = Annotated[int, Interval(2, inf, closed=True), Label("tokens, $N$")]
Classes = Annotated[int, Interval(2, inf, closed=True), Label("classes, $M$")]
Samples = Annotated[int, Interval(INFINITE, MOST_SAMPLES, closed=True), Label("samples, $T$")]
Kept = Annotated[int, Interval(0, inf, closed=True), Label("tokens kept, $P$")]
Scheme = Literal["power", "threshold"]
Embedding = Literal["sphere", "gaussian"]


class Observables(NamedTuple):
    """What is measured."""

    error: Annotated[Array, Label("error, $E$")]


@partial(
    jax.jit,
    static_argnames=(
        "dimension", "n_tokens", "n_classes", "scheme", "kept", "embedding",
    ),
)  # fmt: skip
def simulate(
    key: Array,
    alpha: Alpha,
    rho: Rho = 1.0,
    n_samples: Samples = INFINITE,
    *,
    dimension: Dimension,
    n_tokens: Tokens,
    n_classes: Classes,
    scheme: Scheme = "power",
    kept: Kept = 0,
    embedding: Embedding = "sphere",
) -> Observables:
    """Error of one memory: one draw of all embeddings and of the samples.

    Parameters
    ----------
    key : Array
        Random key.
    alpha : float
        Decay of the frequencies, above 1.
    rho : float
        Of ``scheme="power"``: 1 for frequencies as they are, 0 for equal strengths.
    n_samples : int
        T: the memory stores the frequencies among so many samples, at most 2^24; 0 (``INFINITE``)
        stands for infinite data, p itself.
    dimension, n_tokens, n_classes : int
        d >= 1, and N >= M >= 2.
    scheme : {"power", "threshold"}
        Strengths q = frequency^rho of the tokens seen; or q = 1 of the ``kept`` most frequent among
        them, of equally frequent ones the lower number first.
    kept : int
        Of ``scheme="threshold"``, from 1 to N.
    embedding : {"sphere", "gaussian"}
        Uniform on the unit sphere, or independent N(0, 1/d) entries.

    Returns
    -------
    Observables
        ``error``, dimensionless, between 0 and 1.

    Raises
    ------
    ValueError
        For fewer tokens than classes, an unknown scheme or embedding, ``kept`` outside [1, N].
    """
    _check(n_tokens, n_classes, scheme, kept, embedding)
    for_samples, for_embeddings = jax.random.split(key)
    p = _zipf(jnp.asarray(alpha, jnp.result_type(float, alpha)), n_tokens)
    counts = _counts(for_samples, p, jnp.asarray(n_samples, p.dtype))
    q = _strengths(jnp.where(n_samples == INFINITE, p, counts), rho, scheme, kept)
    wrong = _wrong(for_embeddings, q, dimension, n_classes, embedding, AT_ONCE)
    return Observables(p @ wrong.astype(p.dtype))


def _zipf(alpha: Array, n_tokens: int) -> Array:
    weights = jnp.arange(1, n_tokens + 1, dtype=alpha.dtype) ** -alpha
    return weights / jnp.sum(weights)


def _counts(key: Array, p: Array, n_samples: Array) -> Array:
    """How often each token is among independent samples: one after the other, given the former."""
    # summed from the rare end: in a sum from the other one the tail would be lost
    this_or_rarer = jnp.cumsum(p[::-1])[::-1]

    def draw(left: Array, token: tuple[Array, Array]) -> tuple[Array, Array]:
        count = jax.random.binomial(token[0], left, token[1], dtype=p.dtype)
        return left - count, count

    keys = jax.random.split(key, p.size)
    return lax.scan(draw, n_samples, (keys, jnp.minimum(p / this_or_rarer, 1)))[1]


def _strengths(frequency: Array, rho: Rho, scheme: Scheme, kept: int) -> Array:
    frequency = frequency / jnp.max(frequency)
    seen = frequency > 0
    if scheme == "power":
        return jnp.where(seen, frequency**rho, 0)
    most_frequent = jnp.argsort(-frequency, stable=True)[:kept]
    kept_and_seen = seen[most_frequent].astype(frequency.dtype)
    return jnp.zeros_like(frequency).at[most_frequent].set(kept_and_seen)


def _wrong(
    key: Array, q: Array, d: int, n_classes: int, embedding: Embedding, at_once: int
) -> Array:
    """Which tokens are answered with a wrong class, array (N,)."""
    for_tokens, for_classes = jax.random.split(key)
    u = _embeddings(for_classes, (n_classes, d), embedding, q.dtype)
    rows = max(1, min(q.size, at_once // d))
    blocks = jnp.arange(-(-q.size // rows))

    def draw(block: Array) -> Array:
        return _embeddings(jax.random.fold_in(for_tokens, block), (rows, d), embedding, q.dtype)

    # what does not fit is drawn again when it is asked for; the numbers are the same
    tokens = jax.vmap(draw)(blocks).__getitem__ if blocks.size == 1 else draw
    labels = jnp.arange(blocks.size * rows).reshape(-1, rows) % n_classes
    strengths = jnp.pad(q, (0, labels.size - q.size)).reshape(-1, rows)

    def store(sums: Array, block: Array) -> tuple[Array, None]:
        one_hot = jax.nn.one_hot(labels[block], n_classes, dtype=q.dtype)
        return sums + (strengths[block, :, None] * one_hot).T @ tokens(block), None

    def retrieve(block: Array) -> Array:
        return jnp.argmax(tokens(block) @ (u @ u.T @ sums).T, axis=1) != labels[block]

    sums, _ = lax.scan(store, jnp.zeros_like(u), blocks)
    return lax.map(retrieve, blocks).ravel()[: q.size]


def _embeddings(
    key: Array, shape: tuple[int, int], embedding: Embedding, dtype: jnp.dtype
) -> Array:
    normal = jax.random.normal(key, shape, dtype)
    if embedding == "gaussian":
        return normal / shape[1] ** 0.5
    norm = jnp.linalg.norm(normal, axis=1, keepdims=True)
    # fused, 1 / sqrt is inexact: in one dimension classes of equal score would differ
    return normal / lax.optimization_barrier(norm)


def _check(n_tokens: int, n_classes: int, scheme: str, kept: int, embedding: str) -> None:
    if n_tokens < n_classes:
        raise ValueError(f"n_tokens = {n_tokens} is below n_classes = {n_classes}")
    check_word("scheme", scheme, Scheme)
    if scheme == "threshold" and not 1 <= kept <= n_tokens:
        raise ValueError(f"kept = {kept} is outside [1, {n_tokens}], the number of tokens")
    check_word("embedding", embedding, Embedding)
