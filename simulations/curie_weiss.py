"""The Curie-Weiss ferromagnet at finite N.

H = -(1 / 2N) sum_{i != j} s_i s_j - h sum_i s_i, temperature and field in units of the coupling.
Spins are tried one at a time, chosen at random; a step is N attempts. Runs start with all spins up.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from thermolimit.leaves import Interval, Label

from .glauber import Dynamics, check_dynamics, flip_probability
from .recording import recorded

Temperature = Annotated[Array, Interval(0.0, inf, closed=True), Label("temperature, $T$")]
Field = Annotated[Array | float, Label("external field, $h$")]
Spins = Annotated[int, Interval(2, inf, closed=True), Label("number of spins, $N$")]
Sweeps = Annotated[int, Interval(1, inf, closed=True), Label("measured sweeps")]
BurnIn = Annotated[int, Interval(0, inf, closed=True), Label("sweeps before measuring")]


class Observables(NamedTuple):
    """What is measured."""

    magnetization: Annotated[Array, Label("magnetization, $m$")]
    energy: Annotated[Array, Label("energy per spin, $u$")]


class State(NamedTuple):
    """Everything that the next step depends on."""

    key: Array
    step: Array
    temperature: Array
    field: Array
    spins: Array


@partial(jax.jit, static_argnames=("n_spins", "sweeps", "burn_in", "dynamics"))
def simulate(
    key: Array,
    temperature: Temperature,
    field: Field = 0.0,
    *,
    n_spins: Spins,
    sweeps: Sweeps = 200,
    burn_in: BurnIn = 100,
    dynamics: Dynamics = "glauber",
) -> Observables:
    """Equilibrium averages over ``sweeps`` sweeps of N attempts, after ``burn_in`` of them."""
    check_dynamics(dynamics)

    def sweep_once(state: State, _: None) -> tuple[State, Observables]:
        state = _sweep(state, dynamics)
        return state, observe(state)

    state = init(key, temperature, field, n_spins=n_spins)
    state, _ = lax.scan(sweep_once, state, length=burn_in)
    _, series = lax.scan(sweep_once, state, length=sweeps)
    return jax.tree.map(jnp.mean, series)


def init(key: Array, temperature: Temperature, field: Field, *, n_spins: Spins) -> State:
    """All spins up at step 0; ``relax`` follows Glauber dynamics from there."""
    temperature, field = jnp.asarray(temperature), jnp.asarray(field, jnp.result_type(float))
    return State(key, jnp.zeros((), int), temperature, field, jnp.ones(n_spins, field.dtype))


def advance(state: State, until: Array) -> State:
    """The state at step ``until``."""
    return lax.while_loop(
        lambda state: state.step < until, partial(_sweep, dynamics="glauber"), state
    )


def observe(state: State) -> Observables:
    """Magnetization and energy per spin."""
    n = state.spins.size
    m = jnp.mean(state.spins)
    return Observables(m, -(m**2) / 2 + 1 / (2 * n) - state.field * m)


relax = recorded(init, advance, observe)


def _sweep(state: State, dynamics: Dynamics) -> State:
    """N attempts; the random numbers belong to the step."""
    n = state.spins.size
    choose, decide = jax.random.split(jax.random.fold_in(state.key, state.step))
    sites = jax.random.randint(choose, (n,), 0, n)
    uniforms = jax.random.uniform(decide, (n,), state.spins.dtype)

    def attempt(i: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        spins, total = carry
        spin = spins[sites[i]]
        cost = 2 * spin * ((total - spin) / n + state.field)
        flipped = uniforms[i] < flip_probability(cost, state.temperature, dynamics)
        new = jnp.where(flipped, -spin, spin)
        return spins.at[sites[i]].set(new), total + new - spin

    spins, _ = lax.fori_loop(0, n, attempt, (state.spins, jnp.sum(state.spins)))
    return state._replace(step=state.step + 1, spins=spins)
