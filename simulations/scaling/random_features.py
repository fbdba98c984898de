r"""One-pass stochastic gradient descent on power-law random features, at finite d and v.

theta <- theta - gamma SUM_i a_i (a_i.theta - y_i) over a batch of B fresh examples, from theta = 0;
the sum, not the mean. Data, target and features are those of ``disorder``.

``simulate`` is exact in law given W, at O(B d) per step: in the eigenbasis of K = W^T D W the
features are a ~ N(0, diag lam), and y - a.theta*, which is Gaussian and uncorrelated with a, is
noise of variance P(theta*). ``simulate_modes`` does the same for a spectrum and a target of your
own. ``simulate_ambient`` draws the data themselves, at O(B v d).
E. Paquette, C. Paquette, L. Xiao and J. Pennington, arXiv:2405.15074.

In float32 the loss can be trusted down to about 1e-6 of where it began.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from thermolimit.leaves import Interval, Label
from thermolimit.simulations.recording import BLOCK, in_blocks, recorded

from .disorder import Alpha, Beta, Dimension, Draw, Features, Number, modes, weighted

StepSize = Annotated[Number, (0.0, inf), Label(r"step size, $\gamma$")]
Batch = Annotated[int, Interval(1, inf, closed=True), Label("examples per step, $B$")]


class Observables(NamedTuple):
    """What is measured."""

    loss: Annotated[Array, Label("loss, $P$")]


class State(NamedTuple):
    """Everything that the next step depends on."""

    key: Array
    step: Array
    step_size: Array  # gamma
    eigenvalues: Array  # (d,), lam
    position: Array  # (d,), f = sqrt(lam) (theta - theta*)
    noise: Array  # (B,), standard deviation of y - a.theta*


def init(
    key: Array,
    alpha: Alpha,
    beta: Beta,
    step_size: StepSize,
    draw: Draw = 0,
    *,
    dimension: Dimension,
    n_features: Features,
    batch: Batch = 1,
) -> State:
    """Run SGD in the eigenbasis of W^T D W.

    Parameters
    ----------
    key : key
        Of the data, and of W where ``draw`` is 0.
    alpha, beta : float
        Standard deviations j^-alpha of the data, target j^-beta.
    step_size : float
        gamma. The mean loss stays bounded below about 2 / sum_j j^(-2 alpha), less for B > 1.
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
    gamma = jnp.asarray(step_size, found.start.dtype)
    noise = jnp.broadcast_to(found.noise, (batch,))
    return State(key, jnp.zeros((), int), gamma, found.eigenvalues, found.start, noise)


def advance(state: State, until: Array) -> State:
    """The state at step ``until``."""
    return in_blocks(_step, noises, state, until)


def observe(state: Any) -> Observables:
    """The loss, over all data."""
    return Observables(jnp.sum(state.position**2) + state.noise[0] ** 2)


simulate = recorded(init, advance, observe)


def init_modes(
    key: Array,
    step_size: StepSize,
    eigenvalues: Annotated[Array, "parameter", Label(r"eigenvalues, $\lambda_i$")],
    position: Annotated[Array, "parameter", Label("position along the modes, $f_i$")],
    noise: Annotated[Number, Interval(0.0, inf, closed=True), Label("root of the least loss")],
    *,
    batch: Batch = 1,
) -> State:
    """Run SGD on modes of your own, as from ``disorder.modes_of_spectrum``.

    Parameters
    ----------
    key : key
        Of the data.
    step_size : float
        gamma.
    eigenvalues, position : array, shape (parameter,)
        lam_i and f_i = sqrt(lam_i) <u_i, theta - theta*> at the start.
    noise : float
        Root of the loss at theta*; label noise adds its variance to the square.
    batch : int
        B.
    """
    gamma = jnp.asarray(step_size)
    lam, f, level = (jnp.asarray(x, gamma.dtype) for x in (eigenvalues, position, noise))
    return State(key, jnp.zeros((), int), gamma, lam, f, jnp.broadcast_to(level, (batch,)))


simulate_modes = recorded(init_modes, advance, observe)


class AmbientState(NamedTuple):
    """Everything that the next step depends on."""

    key: Array
    step: Array
    step_size: Array  # gamma
    features: Array  # (v, d), D^(1/2) W
    target: Array  # (v,), D^(1/2) b
    parameters: Array  # (d,), theta
    slots: Array  # (B,), one per example


def init_ambient(
    key: Array,
    alpha: Alpha,
    beta: Beta,
    step_size: StepSize,
    draw: Draw = 0,
    *,
    dimension: Dimension,
    n_features: Features,
    batch: Batch = 1,
) -> AmbientState:
    """Run SGD on the data themselves; arguments as in ``init``."""
    features, target = weighted(key, alpha, beta, draw, dimension, n_features)
    gamma = jnp.asarray(step_size, features.dtype)
    theta, slots = jnp.zeros(dimension, features.dtype), jnp.zeros(batch, features.dtype)
    return AmbientState(key, jnp.zeros((), int), gamma, features, target, theta, slots)


def advance_ambient(state: AmbientState, until: Array) -> AmbientState:
    """The state at step ``until``."""
    return in_blocks(_ambient_step, _data, state, until)


def observe_ambient(state: AmbientState) -> Observables:
    """The loss, over all data."""
    return Observables(jnp.sum((state.features @ state.parameters - state.target) ** 2))


simulate_ambient = recorded(init_ambient, advance_ambient, observe_ambient)


def noises(key: Array, state: Any) -> Array:
    """Standard normal features and noise of BLOCK batches in the eigenbasis, (BLOCK, B, d + 1)."""
    shape = (BLOCK, state.noise.size, state.position.size + 1)
    return jax.random.normal(key, shape, state.position.dtype)


def gradient(state: Any, numbers: Array) -> Array:
    """sqrt(lam) times the gradient, SUM_i a_i (a_i.(theta - theta*) - noise_i), of one batch."""
    z, xi = numbers[:, :-1], numbers[:, -1]
    return state.eigenvalues * ((z @ state.position - state.noise * xi) @ z)


def _step(state: State, numbers: Array) -> State:
    moved = state.position - state.step_size * gradient(state, numbers)
    return state._replace(step=state.step + 1, position=moved)


def _data(key: Array, state: AmbientState) -> Array:
    shape = (BLOCK, state.slots.size, state.target.size)
    return jax.random.normal(key, shape, state.target.dtype)


def _ambient_step(state: AmbientState, numbers: Array) -> AmbientState:
    a, y = numbers @ state.features, numbers @ state.target
    moved = state.parameters - state.step_size * ((a @ state.parameters - y) @ a)
    return state._replace(step=state.step + 1, parameters=moved)
