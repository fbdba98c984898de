"""The Hopfield network at finite N: sequential Monte Carlo from the stored pattern.

H = -(1 / 2N) sum_mu sum_{i != j} xi_i^mu xi_j^mu s_i s_j with K = alpha N patterns (rounded to the
nearest whole number), temperature in units of the energy. A sweep is N attempts at
spins chosen at random. The field on a spin comes from the K sums S_mu = sum_i xi_i^mu s_i, so the
N x N couplings are never built: an attempt costs K multiplications, an accepted flip K additions.

Two networks with the same patterns and independent noise run side by side; products of their time
averages estimate squares of thermal averages without bias.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numba
import numpy as np
from jax import Array

from thermolimit.leaves import Label
from thermolimit.simulations.engines import Engines
from thermolimit.simulations.glauber import (
    BurnIn,
    Dynamics,
    Spins,
    Sweeps,
    Temperature,
    check_dynamics,
    is_flipped,
    sweep,
)
from thermolimit.simulations.recording import time_average

PatternLoad = Annotated[float, (0.0, inf), Label(r"patterns per neuron, $\alpha$")]


class Observables(NamedTuple):
    """What is measured, averaged over the sweeps after the burn-in and over the two networks."""

    overlap: Annotated[Array, Label("overlap with the retrieved pattern, $m$")]
    self_overlap: Annotated[Array, Label("Edwards-Anderson overlap, $q$")]
    crosstalk: Annotated[Array, Label(r"noise of the other patterns / $\alpha$, $r$")]
    energy: Annotated[Array, Label("energy per spin, $u$")]
    acceptance: Annotated[Array, Label("accepted flips per attempt")]


def n_patterns(n_spins: int, pattern_load: float) -> int:
    """Whole number of patterns nearest to ``pattern_load * n_spins``; ValueError if that is 0."""
    count = round(pattern_load * n_spins)
    if count == 0:
        raise ValueError(f"pattern_load = {pattern_load:g} makes no pattern at n_spins = {n_spins}")
    return count


@partial(jax.jit, static_argnames=("n_spins", "pattern_load", "sweeps", "burn_in", "dynamics"))
def simulate_jax(
    key: Array,
    temperature: Temperature,
    *,
    n_spins: Spins,
    pattern_load: PatternLoad,
    sweeps: Sweeps = 200,
    burn_in: BurnIn = 100,
    dynamics: Dynamics = "glauber",
) -> Observables:
    """One set of patterns, two networks; to be batched over points and replicas.

    Parameters
    ----------
    key : key
        Of the patterns and the noise.
    temperature : float
        T >= 0, in units of the energy.
    n_spins, pattern_load : int, float
        N, and alpha: the number of patterns is the whole number nearest to alpha N.
    sweeps, burn_in : int
        Measured sweeps of N attempts, and those before them.
    dynamics : {"glauber", "metropolis"}
        Rule of a flip.

    Raises
    ------
    ValueError
        For an unknown rule, and a load that makes no pattern.
    """
    check_dynamics(dynamics)
    shape = (n_spins, n_patterns(n_spins, pattern_load))
    draw, *run = jax.random.split(key, 3)
    temperature = jnp.asarray(temperature)
    patterns = jax.random.rademacher(draw, shape, temperature.dtype)
    both = jax.vmap(partial(_network, patterns, temperature, sweeps, burn_in, dynamics))
    return _observables(patterns, both(jnp.stack(run)))


class TimeAverages(NamedTuple):
    """Of one network after the burn-in."""

    spins: Array | np.ndarray  # (N,)
    power: Array | np.ndarray  # sum over mu of m_mu^2
    acceptance: Array | np.ndarray


def _network(patterns, temperature, sweeps, burn_in, dynamics, key) -> TimeAverages:
    """Time averages of one network, started at the first of the ``patterns`` (N, K)."""
    n, k = patterns.shape

    def cost(i, spin, sums):
        return 2 * (spin * (patterns[i] @ sums) - k) / n  # k: the removed self-coupling

    def moved(sums, i, change):
        return sums + patterns[i] * change

    def one_sweep(state, step):
        spins, sums = state
        noise = jax.random.fold_in(key, step)
        spins, sums, accepted = sweep(noise, spins, sums, cost, moved, temperature, dynamics)
        return (spins, sums), TimeAverages(spins, jnp.sum((sums / n) ** 2), accepted / n)

    state = (patterns[:, 0], patterns[:, 0] @ patterns)
    return time_average(one_sweep, state, burn_in, sweeps)[0]


def _observables(patterns, networks: TimeAverages) -> Observables:
    """From the time averages of the two networks, leading dimension 2."""
    n, k = patterns.shape
    overlaps = networks.spins @ patterns / n  # (2, K)
    return Observables(
        overlap=overlaps[:, 0].mean(),
        self_overlap=(networks.spins[0] * networks.spins[1]).mean(),
        # per other pattern: with K - 1 of them the estimate has no bias of order 1 / K; 0 if none
        crosstalk=(overlaps[0, 1:] * overlaps[1, 1:]).sum() * n / max(k - 1, 1),
        energy=(k / n - networks.power.mean()) / 2,
        acceptance=networks.acceptance.mean(),
    )


def simulate_numba(
    rng: np.random.Generator,
    temperature: Temperature,
    *,
    n_spins: Spins,
    pattern_load: PatternLoad,
    sweeps: Sweeps = 200,
    burn_in: BurnIn = 100,
    dynamics: Dynamics = "glauber",
) -> Observables:
    """The same with a NumPy generator ``rng``, on one core; see ``simulate_jax``."""
    check_dynamics(dynamics)
    shape = (n_spins, n_patterns(n_spins, pattern_load))
    patterns = (2 * rng.integers(0, 2, shape, dtype=np.int8) - 1).astype(np.int8)
    metropolis = dynamics == "metropolis"
    runs = [
        run_network(rng, patterns, float(temperature), sweeps, burn_in, metropolis)
        for _ in range(2)
    ]
    return _observables(patterns, TimeAverages(*map(np.array, zip(*runs, strict=True))))


# not cached on disk: Numba would not notice a change of the rule in glauber.py
@numba.njit(nogil=True, error_model="numpy")
def run_network(
    rng: np.random.Generator,
    patterns: np.ndarray,
    temperature: float,
    sweeps: int,
    burn_in: int,
    metropolis: bool,
) -> tuple[np.ndarray, float, float]:
    """The fields of ``TimeAverages`` for one network.

    Parameters
    ----------
    patterns : ndarray of int8
        Shape (N, K); the run starts at the first one.
    temperature : float
        T >= 0.
    sweeps, burn_in : int
        Measured sweeps, and those before them.
    metropolis : bool
        Metropolis rule instead of Glauber's.
    """
    n, k = patterns.shape
    spins = patterns[:, 0].copy()
    sums = np.zeros(k, np.int32)
    for i in range(n):
        sums += patterns[i] * np.int32(spins[i])
    spin_sum = np.zeros(n, np.int64)
    power_sum = 0.0
    accepted = 0
    for step in range(burn_in + sweeps):
        for _ in range(n):
            i = int(rng.random() * n)
            row = patterns[i]
            spin = spins[i]
            field = np.int32(0)
            for mu in range(k):
                field += np.int32(row[mu]) * sums[mu]
            cost = 2.0 * (spin * field - k) / n  # k: the removed self-coupling
            if is_flipped(rng.random(), cost, temperature, metropolis):
                spins[i] = -spin
                for mu in range(k):
                    sums[mu] -= 2 * np.int32(spin) * np.int32(row[mu])
                accepted += step >= burn_in
        if step >= burn_in:
            for i in range(n):
                spin_sum[i] += spins[i]
            for mu in range(k):
                power_sum += (sums[mu] / n) ** 2
    return spin_sum / sweeps, power_sum / sweeps, accepted / (sweeps * n)


simulate = Engines(numba=simulate_numba, jax=simulate_jax)
