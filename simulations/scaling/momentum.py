r"""One-pass stochastic momentum on power-law random features (DANA), at finite d and v.

With G = SUM_i a_i (a_i.theta - y_i) over a batch, summed as in ``random_features``, y_0 = 0, and t
the steps already taken,

    y <- (1 - Delta(t)) y + G,    theta <- theta - gamma_2 G - gamma_3(t) y  (the new y),

Delta(t) = delta / (delta + t) and gamma_3(t) = gamma_3 (1 + t)^-decay. SGD is gamma_3 = 0.
D. Ferbach et al., arXiv:2505.16098. Exact in law given W, as ``random_features.simulate``.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, NamedTuple

import jax.numpy as jnp
from jax import Array

from thermolimit.leaves import Interval, Label
from thermolimit.simulations.recording import in_blocks, recorded

from .disorder import Alpha, Beta, Dimension, Draw, Features, Number, modes
from .random_features import Batch, StepSize, gradient, noises, observe

MomentumSize = Annotated[
    Number, Interval(0.0, inf, closed=True), Label(r"step size of the momentum, $\gamma_3$")
]
Decay = Annotated[Number, Interval(0.0, inf, closed=True), Label(r"exponent of its decay in time")]
Damping = Annotated[Number, (0.0, inf), Label(r"damping of the momentum, $\delta$")]


class State(NamedTuple):
    """Everything that the next step depends on."""

    key: Array
    step: Array
    step_size: Array  # gamma_2
    momentum_size: Array  # gamma_3 at t = 0
    decay: Array
    damping: Array  # delta
    eigenvalues: Array  # (d,), lam
    position: Array  # (d,), sqrt(lam) (theta - theta*)
    momentum: Array  # (d,), sqrt(lam) y
    noise: Array  # (B,), standard deviation of y - a.theta*


def init(
    key: Array,
    alpha: Alpha,
    beta: Beta,
    step_size: StepSize,
    momentum_size: MomentumSize,
    damping: Damping,
    decay: Decay = 0.0,
    draw: Draw = 0,
    *,
    dimension: Dimension,
    n_features: Features,
    batch: Batch = 1,
) -> State:
    """Run stochastic momentum in the eigenbasis of W^T D W.

    Parameters
    ----------
    key : key
        Of the data, and of W where ``draw`` is 0.
    alpha, beta : float
        Standard deviations j^-alpha of the data, target j^-beta.
    step_size, momentum_size : float
        gamma_2, and gamma_3 at the first step.
    damping, decay : float
        delta of Delta(t), and the exponent with which gamma_3 decays.
    draw : int
        Replicas with the same positive number share one W.
    dimension, n_features : int
        d < v, of the random features and of the data.
    batch : int
        B.

    Raises
    ------
    ValueError
        If d is not below v.
    """
    found = modes(key, alpha, beta, draw, dimension, n_features)
    dtype = found.start.dtype
    return State(
        key=key,
        step=jnp.zeros((), int),
        step_size=jnp.asarray(step_size, dtype),
        momentum_size=jnp.asarray(momentum_size, dtype),
        decay=jnp.asarray(decay, dtype),
        damping=jnp.asarray(damping, dtype),
        eigenvalues=found.eigenvalues,
        position=found.start,
        momentum=jnp.zeros_like(found.start),
        noise=jnp.broadcast_to(found.noise, (batch,)),
    )


def advance(state: State, until: Array) -> State:
    """The state at step ``until``."""
    return in_blocks(_step, noises, state, until)


simulate = recorded(init, advance, observe)


def _step(state: State, numbers: Array) -> State:
    t, G = state.step.astype(state.position.dtype), gradient(state, numbers)
    y = t / (state.damping + t) * state.momentum + G
    gamma_3 = state.momentum_size * (1 + t) ** -state.decay
    moved = state.position - state.step_size * G - gamma_3 * y
    return state._replace(step=state.step + 1, position=moved, momentum=y)
