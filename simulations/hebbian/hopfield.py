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
import numpy as np
from jax import Array

from thermolimit.leaves import Label, check_word
from thermolimit.simulations.engines import Engines
from thermolimit.simulations.glauber import (
    BurnIn,
    Dynamics,
    Spins,
    Sweeps,
    Temperature,
    sweep,
)
from thermolimit.simulations.recording import time_average

from .dense_kernels import Run, run_sequential, signs

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
    check_word("dynamics", dynamics, Dynamics)
    shape = (n_spins, n_patterns(n_spins, pattern_load))
    draw, *run = jax.random.split(key, 3)
    temperature = jnp.asarray(temperature)
    patterns = jax.random.rademacher(draw, shape, temperature.dtype)
    both = jax.vmap(partial(_network, patterns, temperature, sweeps, burn_in, dynamics))
    return _observables(patterns, both(jnp.stack(run)))


def _network(patterns, temperature, sweeps, burn_in, dynamics, key) -> Run:
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
        return (spins, sums), (spins, energy(sums, n), accepted / n)

    state = (patterns[:, 0], patterns[:, 0] @ patterns)
    averages, (final, _) = time_average(one_sweep, state, burn_in, sweeps)
    return Run(*averages, final=final)


def energy(sums: Array | np.ndarray, n_spins: int) -> Array | np.ndarray:
    """Energy per spin, from the sums S_mu (K,)."""
    return (sums.size / n_spins - ((sums / n_spins) ** 2).sum()) / 2


def _observables(patterns, networks: Run) -> Observables:
    """From the time averages of the two networks, leading dimension 2."""
    n, k = patterns.shape
    overlaps = networks.spins @ patterns / n  # (2, K)
    return Observables(
        overlap=overlaps[:, 0].mean(),
        self_overlap=(networks.spins[0] * networks.spins[1]).mean(),
        # per other pattern: with K - 1 of them the estimate has no bias of order 1 / K; 0 if none
        crosstalk=(overlaps[0, 1:] * overlaps[1, 1:]).sum() * n / max(k - 1, 1),
        energy=networks.energy.mean(),
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
    check_word("dynamics", dynamics, Dynamics)
    shape = (n_spins, n_patterns(n_spins, pattern_load))
    patterns = (2 * rng.integers(0, 2, shape, dtype=np.int8) - 1).astype(np.int8)
    metropolis = dynamics == "metropolis"
    runs = [
        run_network(rng, patterns, float(temperature), sweeps, burn_in, metropolis)
        for _ in range(2)
    ]
    return _observables(patterns, Run(*map(np.array, zip(*runs, strict=True))))


def run_network(
    rng: np.random.Generator,
    patterns: np.ndarray,
    temperature: float,
    sweeps: int,
    burn_in: int,
    metropolis: bool,
) -> Run:
    """One network, started at the first of the ``patterns``, int8 (N, K)."""
    n, k = patterns.shape
    spins = patterns[:, 0].copy()
    network, rules = signs(patterns, k, spins, 2, False, 1 / (2 * n))
    run = (spins, temperature, sweeps, burn_in, metropolis)
    return Run(*run_sequential(rng, network, rules, *run))


simulate = Engines(numba=simulate_numba, jax=simulate_jax)
