"""Single-spin dynamics, and the arguments that simulations of spins have in common.

Both rules for a flip that costs the energy dE at temperature T leave the Gibbs distribution
exp(-H / T) invariant when the spin is chosen at random. At T = 0 a flip that costs nothing is made
with probability 1/2 (Glauber) or 1 (Metropolis).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from math import inf
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numba
from jax import Array, lax

from thermolimit.leaves import Interval, Label

Temperature = Annotated[Array, Interval(0.0, inf, closed=True), Label("temperature, $T$")]
Spins = Annotated[int, Interval(2, inf, closed=True), Label("number of spins, $N$")]
Sweeps = Annotated[int, Interval(1, inf, closed=True), Label("measured sweeps")]
BurnIn = Annotated[int, Interval(0, inf, closed=True), Label("sweeps before measuring")]
Dynamics = Literal["glauber", "metropolis"]


def flip_probability(cost: Array, temperature: Array, dynamics: Dynamics) -> Array:
    """1 / (1 + exp(dE / T)) for Glauber's heat bath, min(1, exp(-dE / T)) for Metropolis.

    Parameters
    ----------
    cost : array
        Energy dE of the flip.
    temperature : array
        T >= 0, in the same units.
    dynamics : {"glauber", "metropolis"}
        Which rule; static.
    """
    ratio = jnp.where(cost == 0, 0, cost / temperature)  # 0 / 0 at T = 0
    return jax.nn.sigmoid(-ratio) if dynamics == "glauber" else jnp.exp(-jnp.maximum(ratio, 0))


@numba.njit(inline="always", error_model="numpy")
def is_flipped(uniform: float, cost: float, temperature: float, metropolis: bool) -> bool:
    """Whether ``uniform``, drawn from [0, 1), is below the same probability."""
    if metropolis:
        return cost <= 0.0 or uniform < math.exp(-cost / temperature)
    ratio = 0.0 if cost == 0.0 else cost / temperature
    # most costly flips are refused without the exponential, which exceeds its first terms
    if ratio > 0.0 and uniform * (2.0 + ratio * (1.0 + ratio / 2.0)) >= 1.0:
        return False
    return uniform * (1.0 + math.exp(ratio)) < 1.0


def sweep(
    key: Array,
    spins: Array,
    sums: Any,
    cost: Callable[[Array, Array, Any], Array],
    moved: Callable[[Any, Array, Array], Any],
    temperature: Array,
    dynamics: Dynamics = "glauber",
) -> tuple[Array, Any, Array]:
    """N attempts at spins chosen at random.

    Parameters
    ----------
    key : key
        Of the choice of spins and of the decisions.
    spins : array
        Entries +-1, shape (N,), floating-point.
    sums : pytree of arrays
        What the energy needs to know of the spins; kept up to date.
    cost : callable
        ``cost(i, spin, sums)``, the energy dE of the flip of spin i, which is ``spin``.
    moved : callable
        ``moved(sums, i, change)``, the sums when spin i has changed by ``change``, 0 or +-2.
    temperature : array
        T >= 0, in units of the energy.
    dynamics : {"glauber", "metropolis"}
        Which rule; static.

    Returns
    -------
    spins, sums, accepted : array, pytree, array
        The last one is the number of flips.
    """
    n = spins.size
    choose, decide = jax.random.split(key)
    sites = jax.random.randint(choose, (n,), 0, n)
    uniforms = jax.random.uniform(decide, (n,), spins.dtype)

    def attempt(t: Array, carry: tuple[Array, Any, Array]) -> tuple[Array, Any, Array]:
        spins, sums, accepted = carry
        i = sites[t]
        spin = spins[i]
        flipped = uniforms[t] < flip_probability(cost(i, spin, sums), temperature, dynamics)
        new = jnp.where(flipped, -spin, spin)
        sums = moved(sums, i, new - spin)
        return spins.at[i].set(new), sums, accepted + flipped.astype(spins.dtype)

    return lax.fori_loop(0, n, attempt, (spins, sums, jnp.zeros((), spins.dtype)))
