"""Single-spin dynamics: the probability of a flip that costs the energy dE at temperature T.

Both rules leave the Gibbs distribution exp(-H / T) invariant when the spin is chosen at random.
At T = 0 a flip that costs nothing is made with probability 1/2 (Glauber) or 1 (Metropolis).
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numba
from jax import Array

Dynamics = Literal["glauber", "metropolis"]


def check_dynamics(dynamics: str) -> None:
    """Raise ValueError for a rule that does not exist."""
    if dynamics not in get_args(Dynamics):
        raise ValueError(f"dynamics = {dynamics!r} is not one of {get_args(Dynamics)}")


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
