r"""Multitasking Hebbian networks at finite N: sequential Monte Carlo.

H = -(1 / 2N) sum_mu sum_{i != j} x_i^mu x_j^mu s_i s_j with K patterns, whose entries are blank (0)
with probability d and otherwise +-1, and x the class means of what was seen of them; temperature in
units of the energy. A sweep is N attempts at spins chosen at random. The field on a spin comes from
the K sums S_mu = sum_i x_i^mu s_i, so that an attempt costs K multiplications. To learn is the same
as to retrieve: H is a constant plus N / 2 times the loss, the sum over patterns of the products of
the mean squared distances |x^mu - s|^2 / 2N and |x^mu + s|^2 / 2N, one of which is small.

Two networks with the same patterns, examples and start, but independent noise, run side by side.
"""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numba
import numpy as np
from jax import Array

from thermolimit.leaves import Interval, Label, check_word
from thermolimit.simulations.engines import Engines
from thermolimit.simulations.glauber import (
    BurnIn,
    Spins,
    Sweeps,
    Temperature,
    is_flipped,
    sweep,
)
from thermolimit.simulations.recording import time_average

Law = Literal["storage", "gauss", "binomial"]
Start = Literal["pure", "hierarchical", "symmetric", "random"]

Dilution = Annotated[Array, Interval(0.0, 0.999999, closed=True), Label("dilution, $d$")]
Entropy = Annotated[
    Array | float, Interval(0.0, inf, closed=True), Label(r"entropy of the examples, $\rho$")
]
Quality = Annotated[
    Array | float, Interval(1e-6, 1.0, closed=True), Label("quality of examples, $r$")
]
Examples = Annotated[
    Array | float, Interval(1.0, inf, closed=True), Label("examples per class, $M$")
]
Patterns = Annotated[int, Interval(1, inf, closed=True), Label("number of patterns, $K$")]


class Observables(NamedTuple):
    """What is measured, averaged over the sweeps after the burn-in and over the two networks.

    A pattern and its negative are the same to the energy, and weakly retrieved patterns change
    sign during a run. After every sweep each pattern is given the sign that makes its class overlap
    positive; a pattern that is not served then has overlaps of order 1 / sqrt(N), not 0.
    """

    overlaps: Annotated[Array, "pattern", Label(r"overlaps with the patterns, $m_\mu$")]
    class_overlaps: Annotated[
        Array, "pattern", Label(r"overlaps with the means of the examples, $n_\mu$")
    ]
    energy: Annotated[Array, Label("energy per spin, $u$")]
    loss: Annotated[Array, Label(r"loss, $\sum_\mu |x^\mu - s|^2 |x^\mu + s|^2 / 4 N^2$")]
    acceptance: Annotated[Array, Label("accepted flips per attempt")]


class TimeAverages(NamedTuple):
    """Of one network after the burn-in."""

    overlaps: Array | np.ndarray  # (K,)
    class_overlaps: Array | np.ndarray  # (K,)
    power: Array | np.ndarray  # sum over mu of n_mu^2
    loss: Array | np.ndarray
    acceptance: Array | np.ndarray


@partial(jax.jit, static_argnames=("n_spins", "n_patterns", "law", "start", "sweeps", "burn_in"))
def simulate_jax(
    key: Array,
    temperature: Temperature,
    dilution: Dilution,
    entropy: Entropy = 0.0,
    quality: Quality = 1.0,
    examples: Examples = 1.0,
    *,
    n_spins: Spins,
    n_patterns: Patterns,
    law: Law = "gauss",
    start: Start = "hierarchical",
    sweeps: Sweeps = 200,
    burn_in: BurnIn = 100,
) -> Observables:
    """One set of patterns and examples, two networks; to be batched over points and replicas.

    Parameters
    ----------
    key : key
        Of the patterns, the examples and the noise.
    temperature, dilution : float
        T >= 0, in units of the energy, and the chance of a blank entry.
    entropy : float
        Variance of a class mean around an entry that is not blank; read by the law "gauss".
    quality, examples : float
        r, and M, a whole number; read by the law "binomial".
    n_spins, n_patterns : int
        N and K.
    law : {"storage", "gauss", "binomial"}
        The patterns themselves; Gaussian class means; means of M examples, each drawn.
    start : {"pure", "hierarchical", "symmetric", "random"}
        Spins follow the first pattern; their first pattern that is not blank; the sum of their
        entries; or nothing. Where that says nothing they are random.
    sweeps, burn_in : int
        Measured sweeps of N attempts, and those before them.

    Raises
    ------
    ValueError
        For an unknown law or start.
    """
    check_word("law", law, Law)
    check_word("start", start, Start)
    draw, learn, begin, *run = jax.random.split(key, 5)
    temperature = jnp.asarray(temperature)
    dtype = temperature.dtype
    shape = (n_spins, n_patterns)
    filled = jax.random.uniform(draw, shape, dtype) >= dilution
    signs = jax.random.rademacher(jax.random.fold_in(draw, 1), shape, dtype)
    patterns = jnp.where(filled, signs, 0)
    numbers = (jnp.asarray(value, dtype) for value in (entropy, quality, examples))
    means = patterns * _right_jax(learn, shape, law, *numbers)
    free = jax.random.rademacher(begin, (n_spins,), dtype)
    spins = _begin(jnp, patterns, free, start)
    both = jax.vmap(partial(_network, patterns, means, spins, temperature, sweeps, burn_in))
    return _observables(means, both(jnp.stack(run)))


def _right_jax(key, shape, law, entropy, quality, examples):
    """Class means in units of their entries."""
    if law == "storage":
        return jnp.ones(shape, entropy.dtype)
    if law == "gauss":
        return 1 + jnp.sqrt(entropy) * jax.random.normal(key, shape, entropy.dtype)
    right = jax.random.binomial(key, examples, (1 + quality) / 2, shape, entropy.dtype)
    return (2 * right - examples) / (quality * examples)


def _begin(numpy, patterns, free, start):
    """Spins (N,) that serve the patterns (N, K) as ``start`` says, ``free`` where it does not."""
    if start == "random":
        return free
    wanted = {
        "pure": lambda: patterns[:, 0],
        "hierarchical": lambda: patterns[
            numpy.arange(len(patterns)), numpy.argmax(patterns != 0, axis=1)
        ],
        "symmetric": lambda: numpy.sign(patterns.sum(axis=1)),
    }[start]()
    return numpy.where(wanted != 0, wanted, free)


def _network(patterns, means, spins, temperature, sweeps, burn_in, key) -> TimeAverages:
    """Time averages of one network with class means (N, K), started at ``spins``."""
    n = means.shape[0]
    own = jnp.sum(means**2, axis=1)

    def cost(i, spin, sums):
        return 2 * (spin * (means[i] @ sums) - own[i]) / n  # own: the removed self-coupling

    def moved(sums, i, change):
        return sums + means[i] * change

    def one_sweep(spins, step):
        noise = jax.random.fold_in(key, step)
        # the sums of real numbers are made anew in every sweep: rounding does not add up
        spins, _, accepted = sweep(noise, spins, spins @ means, cost, moved, temperature)
        return spins, _seen(patterns, means, spins, accepted)

    return time_average(one_sweep, spins, burn_in, sweeps)[0]


def _seen(patterns, means, spins, accepted) -> TimeAverages:
    """After one sweep."""
    n = len(means)
    m, class_overlaps = spins @ patterns / n, spins @ means / n
    gauge = jnp.where(class_overlaps < 0, -1, 1).astype(m.dtype)
    distance, other = (jnp.sum((means - s * spins[:, None]) ** 2, axis=0) for s in (1, -1))
    return TimeAverages(
        overlaps=gauge * m,
        class_overlaps=gauge * class_overlaps,
        power=jnp.sum(class_overlaps**2),
        loss=jnp.sum(distance / n * other / n) / 4,
        acceptance=accepted / n,
    )


def _observables(means, networks: TimeAverages) -> Observables:
    """From the time averages of the two networks, leading dimension 2."""
    n = len(means)
    return Observables(
        overlaps=networks.overlaps.mean(axis=0),
        class_overlaps=networks.class_overlaps.mean(axis=0),
        energy=((means**2).sum() / n**2 - networks.power.mean()) / 2,
        loss=networks.loss.mean(),
        acceptance=networks.acceptance.mean(),
    )


def simulate_numba(
    rng: np.random.Generator,
    temperature: Temperature,
    dilution: Dilution,
    entropy: Entropy = 0.0,
    quality: Quality = 1.0,
    examples: Examples = 1.0,
    *,
    n_spins: Spins,
    n_patterns: Patterns,
    law: Law = "gauss",
    start: Start = "hierarchical",
    sweeps: Sweeps = 200,
    burn_in: BurnIn = 100,
) -> Observables:
    """The same with a NumPy generator ``rng``, on one core; see ``simulate_jax``."""
    check_word("law", law, Law)
    check_word("start", start, Start)
    shape = (n_spins, n_patterns)
    patterns = (rng.random(shape) >= dilution) * rng.choice([-1.0, 1.0], shape)
    means = patterns * _right_numpy(rng, shape, law, entropy, quality, examples)
    spins = _begin(np, patterns, rng.choice([-1.0, 1.0], n_spins), start)
    runs = [
        run_network(rng, patterns, means, spins, float(temperature), sweeps, burn_in)
        for _ in range(2)
    ]
    return _observables(means, TimeAverages(*map(np.array, zip(*runs, strict=True))))


def _right_numpy(rng, shape, law, entropy, quality, examples):
    """Class means in units of their entries."""
    if law == "storage":
        return np.ones(shape)
    if law == "gauss":
        return 1 + np.sqrt(entropy) * rng.standard_normal(shape)
    right = rng.binomial(int(examples), (1 + quality) / 2, shape)
    return (2 * right - examples) / (quality * examples)


# not cached on disk: Numba would not notice a change of the rule in glauber.py
@numba.njit(nogil=True, error_model="numpy")
def run_network(
    rng: np.random.Generator,
    patterns: np.ndarray,
    means: np.ndarray,
    start: np.ndarray,
    temperature: float,
    sweeps: int,
    burn_in: int,
) -> tuple[np.ndarray, np.ndarray, float, float, float]:
    """The fields of ``TimeAverages`` for one network.

    Parameters
    ----------
    patterns, means : ndarray
        Shape (N, K): the patterns, and what the network has seen of them.
    start : ndarray
        Shape (N,), spins.
    temperature : float
        T >= 0.
    sweeps, burn_in : int
        Measured sweeps, and those before them.
    """
    n, k = means.shape
    spins = start.copy()
    sums = np.zeros(k)
    for i in range(n):
        sums += means[i] * spins[i]
    overlaps, class_overlaps = np.zeros(k), np.zeros(k)
    power, loss = 0.0, 0.0
    accepted = 0
    for step in range(burn_in + sweeps):
        for _ in range(n):
            i = int(rng.random() * n)
            field, own = 0.0, 0.0  # own: the removed self-coupling
            for mu in range(k):
                field += means[i, mu] * sums[mu]
                own += means[i, mu] ** 2
            cost = 2.0 * (spins[i] * field - own) / n
            if is_flipped(rng.random(), cost, temperature, False):
                for mu in range(k):
                    sums[mu] -= 2.0 * spins[i] * means[i, mu]
                spins[i] = -spins[i]
                accepted += step >= burn_in
        if step >= burn_in:
            for mu in range(k):
                gauge = -1.0 if sums[mu] < 0 else 1.0
                overlap, distance, other = 0.0, 0.0, 0.0
                for i in range(n):
                    overlap += patterns[i, mu] * spins[i]
                    distance += (means[i, mu] - spins[i]) ** 2
                    other += (means[i, mu] + spins[i]) ** 2
                overlaps[mu] += gauge * overlap / n
                class_overlaps[mu] += gauge * sums[mu] / n
                power += (sums[mu] / n) ** 2
                loss += distance * other / (4.0 * n * n)
    averages = overlaps / sweeps, class_overlaps / sweeps, power / sweeps, loss / sweeps
    return *averages, accepted / (sweeps * n)


simulate = Engines(numba=simulate_numba, jax=simulate_jax)
