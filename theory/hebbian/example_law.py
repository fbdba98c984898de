"""Means of noisy examples: their exact law, and the entropy that is left of many.

M examples of a +-1 agree with it with mean r, the quality. Their mean over r M is x, of mean 1 and
variance rho in units of what they are examples of.
"""

from __future__ import annotations

from math import inf
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import gammaln

from thermolimit.solvers import Interval, Label

Number = Array | float
Quality = Annotated[Number, Interval(1e-6, 1.0, closed=True), Label("quality of examples, $r$")]
Examples = Annotated[Number, Interval(1.0, inf, closed=True), Label("examples per class, $M$")]


def dataset_entropy(quality: Number, examples: Number) -> Number:
    """rho = (1 - r^2) / (M r^2): the variance of the class mean around its archetype."""
    return (1 - quality**2) / (examples * quality**2)


def class_means(quality: Number, examples: Number, most: int) -> tuple[Array, Array]:
    """Values of x = (2 k - M) / (r M) and their binomial probabilities, shape (most + 1,).

    Values beyond M, which may be traced, have the probability 0.
    """
    k = jnp.arange(most + 1, dtype=jnp.result_type(float, quality, examples))
    other = jnp.maximum(examples - k, 0.0)
    ways = jnp.exp(gammaln(examples + 1) - gammaln(k + 1) - gammaln(other + 1))
    chance = ways * ((1 + quality) / 2) ** k * ((1 - quality) / 2) ** other
    return (2 * k - examples) / (quality * examples), jnp.where(k <= examples, chance, 0.0)


def check_examples(examples: np.ndarray, most: int) -> None:
    """Raise ValueError for numbers of examples whose exact law is not enumerated."""
    if (examples != examples.round()).any():
        raise ValueError("law = 'binomial' has whole numbers of examples; choose 'gauss'")
    if examples.max() > most:
        raise ValueError(
            f"examples = {examples.max():g} is above most_examples = {most}; "
            "raise it, or choose law = 'gauss'"
        )
