r"""Scaling laws of an associative memory: error over its dimension and over the samples it saw.

Tokens x = 0, ..., N - 1 of probability p(x) proportional to (x + 1)^-alpha have a class
f(x) = x mod M. A memory in d dimensions stores random embeddings e_x of the tokens with those u_y
of the classes, each token with its strength q(x), and answers with the class of largest score:

.. math:: W = \sum_x q(x)\, u_{f(x)} e_x^T, \qquad s_y(x) = u_y^T W e_x, \qquad
          E = \sum_x p(x)\, P(\mathrm{argmax}_y\, s_y(x) \neq f(x)).

Strengths depend on frequencies, p itself (infinite data) or those among T samples; what was not
seen is not stored. Embeddings lie on the unit sphere or have independent N(0, 1/d) entries.

Model and laws: V. Cabannes, E. Dohmatob and A. Bietti, arXiv:2310.02984. The theory of the scores
was derived here.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
from jax import Array
from jax.scipy.special import log_ndtr
from scipy import special

from thermolimit.leaves import check_word
from thermolimit.solvers import Interval, Label, SinhTrapezoid, expectation
from thermolimit.solvers.quadrature import GaussianRule

alpha, rho = sp.symbols("alpha rho", positive=True)

CAPACITY = {
    # the last token that d q(x)^2 lifts above the noise is x ~ d^(1 / 2 rho alpha)
    "power": sp.Piecewise(((alpha - 1) / (2 * rho * alpha), 2 * rho * alpha > 1), (sp.nan, True)),
    "threshold": alpha - 1,
}
"""Exponents of E in 1 / d at infinite data; those of a threshold P proportional to d."""

SAMPLES = 1 - 1 / alpha
"""Exponent of E in 1 / T at infinite dimension, whatever the scheme."""

RULE = SinhTrapezoid(41)
BLOCK = 64  # kinds of tokens that are treated at once

Number = Array | float
Alpha = Annotated[Number, (1.0, inf), Label(r"decay of the frequencies, $\alpha$")]
Dimension = Annotated[Number, Interval(1, inf, closed=True), Label("dimension, $d$")]
Rho = Annotated[Number, Interval(0, inf, closed=True), Label(r"exponent of the strengths, $\rho$")]
Samples = Annotated[Number, Interval(0, inf, closed=True), Label("samples, $T$")]
Tokens = Annotated[int, Interval(2, inf, closed=True), Label("tokens, $N$")]
Classes = Annotated[int, Interval(2, inf, closed=True), Label("classes, $M$")]
Kept = Annotated[int, Interval(0, inf, closed=True), Label("tokens kept, $P$")]
Scheme = Literal["power", "threshold"]
Embedding = Literal["sphere", "gaussian"]


class Exponents(NamedTuple):
    """How the error decays."""

    dimension_exponent: Annotated[Array, Label("exponent of the error in $1/d$")]
    sample_exponent: Annotated[Array, Label("exponent of the error in $1/T$")]


class InfiniteMemory(NamedTuple):
    """A memory of infinite dimension."""

    unseen: Annotated[Number, Label("probability of a token that was not seen")]
    error: Annotated[Number, Label("error, $E$")]
    asymptote: Annotated[Number, Label(r"probability of an unseen token, $N \gg T^{1/\alpha}$")]


class Retrieval(NamedTuple):
    """A memory of finite dimension."""

    error: Annotated[Number, Label("error, $E$")]
    certificate: Annotated[Number, Label("change of $E$ under a refined quadrature")]


class Averaged(NamedTuple):
    """A memory of finite dimension, averaged over what it saw."""

    error: Annotated[Number, Label("error, $E$")]
    spread: Annotated[Number, Label("standard deviation of $E$ over histograms")]
    certificate: Annotated[Number, Label("largest change of $E$ under a refined quadrature")]


_capacity = {
    scheme: sp.lambdify((alpha, rho), expression, modules="jax")
    for scheme, expression in CAPACITY.items()
}
_samples = sp.lambdify(alpha, SAMPLES, modules="jax")


@partial(jax.jit, static_argnames="scheme")
def exponents(alpha: Alpha, rho: Rho = 1.0, *, scheme: Scheme = "power") -> Exponents:
    """Exponents of the error in 1 / d and in 1 / T (arXiv:2310.02984), dimensionless.

    A threshold P proportional to d reaches alpha - 1, the best possible up to logarithms. NaN for
    strengths p^rho with 2 rho alpha <= 1: their noise grows with the number of tokens.
    """
    check_word("scheme", scheme, Scheme)
    return Exponents(_capacity[scheme](alpha, rho), _samples(alpha))


def zipf(alpha: float, n_tokens: int) -> np.ndarray:
    """Probabilities of the tokens, proportional to (x + 1)^-alpha; shape (n_tokens,)."""
    weights = np.arange(1, n_tokens + 1, dtype=float) ** -alpha
    return weights / weights.sum()


def infinite_memory(
    alpha: Alpha, n_samples: Samples, *, n_tokens: Tokens, n_classes: Classes
) -> InfiniteMemory:
    r"""Error of a memory of infinite dimension: it knows exactly what it saw (arXiv:2310.02984).

    Whatever the strengths, a token is missed if none of T samples was this one, with probability
    sum_x p (1 - p)^T in total. A guess at random among the M classes is wrong with probability
    1 - 1/M, so that the error is this factor times the probability. For N -> infinity first and
    then T -> infinity,

    .. math:: \sum_x p (1 - p)^T \sim
              \zeta(\alpha)^{-1/\alpha}\, \Gamma(1 - 1/\alpha) / \alpha\; T^{-1 + 1/\alpha}.

    Raises
    ------
    ValueError
        For fewer tokens than classes.
    """
    _check_tokens(n_tokens, n_classes)
    p = zipf(float(alpha), n_tokens)
    unseen = float(p @ np.exp(n_samples * np.log1p(-p)))
    constant = special.zeta(alpha) ** (-1 / alpha) * special.gamma(1 - 1 / alpha) / alpha
    # of no sample at all the power law says infinity
    asymptote = float(constant * max(n_samples, 1.0) ** (1 / alpha - 1))
    return InfiniteMemory(unseen, (1 - 1 / n_classes) * unseen, asymptote)


def infinite_data(
    alpha: Alpha,
    dimension: Dimension,
    rho: Rho = 1.0,
    *,
    n_tokens: Tokens,
    n_classes: Classes,
    scheme: Scheme = "power",
    kept: Kept = 0,
    embedding: Embedding = "sphere",
) -> Retrieval:
    """Error of a memory that knows all frequencies, by ``retrieval``.

    Parameters
    ----------
    alpha : float
        Decay of the frequencies, above 1.
    dimension : float
        d, at least 1; the scores are Gaussian for d >> 1 (see ``retrieval``).
    rho : float
        Of ``scheme="power"``: 1 for frequencies as they are, 0 for equal strengths.
    n_tokens, n_classes : int
        N and M, with N >= M >= 2.
    scheme : {"power", "threshold"}
        Strengths q = p^rho; or q = 1 of the ``kept`` most frequent tokens and 0 of the others.
    kept : int
        Of ``scheme="threshold"``, from 1 to N.
    embedding : {"sphere", "gaussian"}
        On the unit sphere, or with independent N(0, 1/d) entries.

    Raises
    ------
    ValueError
        For fewer tokens than classes, an unknown scheme or embedding, ``kept`` outside [1, N].
    """
    p = zipf(float(alpha), n_tokens)
    q = strengths(p, float(rho), scheme, kept)
    return retrieval(p, q, dimension, n_classes=n_classes, embedding=embedding)


def finite_data(
    counts: Annotated[Array | np.ndarray, "draw", "token"],
    alpha: Alpha,
    dimension: Dimension,
    rho: Rho = 1.0,
    *,
    n_classes: Classes,
    scheme: Scheme = "power",
    kept: Kept = 0,
    embedding: Embedding = "sphere",
) -> Averaged:
    """Error of a memory that knows the frequencies among T samples, averaged over histograms.

    Parameters
    ----------
    counts : array
        Shape (draws, N): how often each token was seen, in independent draws of the T samples.
    alpha, dimension, rho, n_classes, scheme, kept, embedding
        As in ``infinite_data``; the strengths are those of the frequencies ``counts`` / T. Of
        equally frequent tokens the lower number is kept first. Errors are still weighted with p.

    Raises
    ------
    ValueError
        As ``infinite_data``; for counts that are negative or not an array (draws, N), and for a
        draw of no samples.
    """
    counts = np.asarray(counts, float)
    if counts.ndim != 2:
        raise ValueError(f"counts of shape {counts.shape} are not an array (draws, tokens)")
    if (counts < 0).any() or not counts.any(axis=1).all():
        raise ValueError("counts must not be negative, and no draw of them be empty")
    p = zipf(float(alpha), counts.shape[1])
    found = [
        retrieval(p, strengths(drawn, float(rho), scheme, kept), dimension,
                  n_classes=n_classes, embedding=embedding)
        for drawn in counts
    ]  # fmt: skip
    error = np.array([one.error for one in found])
    return Averaged(error.mean(), error.std(), max(one.certificate for one in found))


def strengths(frequency: np.ndarray, rho: float, scheme: Scheme, kept: int) -> np.ndarray:
    """Strengths q of tokens with these frequencies, in units of the largest; shape (n_tokens,)."""
    check_word("scheme", scheme, Scheme)
    frequency = frequency / frequency.max()
    seen = frequency > 0
    if scheme == "power":
        return np.where(seen, frequency**rho, 0.0)
    if not 1 <= kept <= len(frequency):
        raise ValueError(f"kept = {kept} is outside [1, {len(frequency)}], the number of tokens")
    most_frequent = np.argsort(-frequency, kind="stable")[:kept]
    q = np.zeros(len(frequency))
    q[most_frequent] = seen[most_frequent]
    return q


def retrieval(
    probability: Annotated[Array | np.ndarray, "token"],
    strength: Annotated[Array | np.ndarray, "token"],
    dimension: Dimension,
    *,
    n_classes: Classes,
    embedding: Embedding = "sphere",
) -> Retrieval:
    r"""Error of a memory with any strengths, from Gaussian scores.

    Parameters
    ----------
    probability, strength : array
        Of every token; shape (N,), N >= M. Strengths in any unit, at least one of them positive.
    dimension : float
        d, at least 1.
    n_classes : int
        M, at least 2.
    embedding : {"sphere", "gaussian"}
        On the unit sphere, or with independent N(0, 1/d) entries.

    Returns
    -------
    Retrieval
        ``error`` is dimensionless; ``certificate``, the change under three times as many nodes,
        is an absolute one.

    Notes
    -----
    Let c = f(x), kappa = E |e|^4 (1 on the sphere, 1 + 2/d for Gaussian embeddings), Q_y the sum of
    q^2 over the tokens of class y other than x, and S = sum_y Q_y. Exactly, the scores have means
    q(x) for y = c and 0 otherwise, they are uncorrelated, and

    .. math:: \mathrm{var}\, s_y = \kappa Q_y / d + (S - Q_y) / d^2 +
              q(x)^2 (\kappa^2 - 1 \;\text{if}\; y = c,\; \kappa / d \;\text{otherwise}).

    What is approximate at finite d is that they are taken to be Gaussian and independent,

    .. math:: 1 - P(\mathrm{correct}) = 1 - E_{s_c} \prod_{y \neq c} \Phi(s_c / \mathrm{sd}_y).

    Simulated errors of p^rho and of a threshold are lower by 2 to 12 per cent at d = 16, by up to 3
    at d = 64 and 1 at d = 256 on the sphere, and by up to 22, 7 and 1 of Gaussian embeddings: norms
    that multiply a signal multiply some of its noise too. Where much more is stored than fits
    scores are correlated within a class, and 10 to 20 per cent are to be expected.
    """
    p, q = np.asarray(probability, float), np.asarray(strength, float)
    _check_tokens(len(p), n_classes)
    if len(q) != len(p):
        raise ValueError(f"{len(q)} strengths do not belong to {len(p)} probabilities")
    if (q < 0).any() or not q.any():
        raise ValueError("strengths must not be negative, and at least one of them be positive")
    check_word("embedding", embedding, Embedding)
    # tokens of the same class and strength have the same scores
    kinds, kind = np.unique(
        [np.arange(len(q)) % n_classes, q / q.max()], axis=1, return_inverse=True
    )
    label, q = kinds[0].astype(int), kinds[1]
    weight, tokens = np.bincount(kind.ravel(), p), np.bincount(kind.ravel())
    power = np.bincount(label, tokens * q**2, n_classes)
    coarse, fine = weight @ _misses(label, q, power, float(dimension), embedding)
    return Retrieval(float(fine), float(abs(fine - coarse)))


def _misses(
    label: np.ndarray, q: np.ndarray, power: np.ndarray, d: float, embedding: Embedding
) -> np.ndarray:
    """Probability of a wrong answer to each kind of token, by both rules; shape (kinds, 2).

    ``power`` are the sums of q^2 over classes. Blocks have one size, so that one program does it.
    """
    fourth = 1.0 if embedding == "sphere" else 1 + 2 / d
    labels, strengths = (
        np.pad(values, (0, -len(q) % BLOCK)).reshape(-1, BLOCK) for values in (label, q)
    )
    found = [
        _block(*block, power, d, fourth, rule=RULE) for block in zip(labels, strengths, strict=True)
    ]
    return np.concatenate(found)[: len(q)]


@partial(jax.jit, static_argnames="rule")
def _block(
    label: Array, q: Array, power: Array, d: Number, kappa: Number, *, rule: SinhTrapezoid
) -> Array:
    def one(label: Array, q: Array) -> Array:
        c = jnp.arange(power.size) == label
        Q = jnp.where(c, jnp.maximum(power - q**2, 0.0), power)
        variance = kappa * Q / d + (jnp.sum(Q) - Q) / d**2
        right = jnp.sum(jnp.where(c, variance, 0.0)) + (kappa**2 - 1) * q**2
        wrong, other = jnp.sqrt(variance + kappa * q**2 / d), jnp.where(c, 0.0, 1.0)
        return jnp.stack([_miss(q, right, wrong, other, r) for r in (rule, rule.refined())])

    return jax.vmap(one)(label, q)


def _miss(mean: Array, variance: Array, sd: Array, other: Array, rule: GaussianRule) -> Array:
    """Probability that a Gaussian score is below one of the ``other`` ones, of mean 0."""

    def beaten(score: Array, sd: Array, other: Array) -> Array:
        return -jnp.expm1(jnp.sum(other * log_ndtr(score / sd)))

    scale = jnp.min(jnp.where(other > 0, sd, inf))
    return expectation(beaten, mean, variance, sd, other, scale=scale, rule=rule)


def _check_tokens(n_tokens: int, n_classes: int) -> None:
    if n_tokens < n_classes:
        raise ValueError(f"n_tokens = {n_tokens} is below n_classes = {n_classes}")
