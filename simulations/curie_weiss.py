"""The Curie-Weiss ferromagnet at finite N.

H = -(1 / 2N) sum_{i != j} s_i s_j - h sum_i s_i, temperature and field in units of the coupling.
Spins are tried one at a time, chosen at random; a step is N attempts. Runs start with all spins up.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from thermolimit.leaves import Label, check_word

from .glauber import BurnIn, Dynamics, Spins, Sweeps, Temperature, sweep
from .recording import recorded, time_average

Field = Annotated[Array | float, Label("external field, $h$")]


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
    check_word("dynamics", dynamics, Dynamics)

    def one_sweep(state: State, _: Array) -> tuple[State, Observables]:
        state = _sweep(state, dynamics)
        return state, observe(state)

    state = init(key, temperature, field, n_spins=n_spins)
    return time_average(one_sweep, state, burn_in, sweeps)[0]


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

    def cost(i: Array, spin: Array, total: Array) -> Array:
        return 2 * spin * ((total - spin) / n + state.field)

    def moved(total: Array, i: Array, change: Array) -> Array:
        return total + change

    key, total = jax.random.fold_in(state.key, state.step), jnp.sum(state.spins)
    spins, _, _ = sweep(key, state.spins, total, cost, moved, state.temperature, dynamics)
    return state._replace(step=state.step + 1, spins=spins)
