"""Patterns hidden in strong noise, at finite N: four spins interact through noisy pairs.

H = -(N / 2) sum_mu X_mu^2 with X_mu = sum_{i != j} A_ij^mu s_i s_j / N^2, where
A_ij^mu = xi_i^mu xi_j^mu + omega g_ij^mu and g is symmetric with independent standard normal
entries. There are K = alpha N patterns, rounded. Couplings of four spins are never built: the
pairs take K N^2 numbers, an accepted flip K N steps, a refused one K.
"""

from __future__ import annotations

import math
from math import inf
from typing import Annotated, NamedTuple

import numba
import numpy as np

from thermolimit.leaves import Interval, Label
from thermolimit.simulations.glauber import BurnIn, Spins, Sweeps, Temperature, is_flipped

Noise = Annotated[
    float, Interval(0.0, inf, closed=True), Label(r"noise of pairs, $w = \omega / \sqrt{N}$")
]
PatternLoad = Annotated[float, Interval(0.0, inf), Label(r"load, $\alpha = K / N$")]


class Observables(NamedTuple):
    """What is measured, averaged over the sweeps after the burn-in."""

    overlap: Annotated[float, Label("overlap with the archetype, $m$")]
    self_overlap: Annotated[float, Label("Edwards-Anderson overlap, $q$")]
    retrieved: Annotated[float, Label("fraction of networks that end with $|m| > 1/2$")]


def simulate(
    rng: np.random.Generator,
    noise: Noise,
    temperature: Temperature,
    *,
    n_spins: Spins,
    pattern_load: PatternLoad,
    sweeps: Sweeps = 100,
    burn_in: BurnIn = 100,
) -> Observables:
    """Two networks with the same pairs, by the heat bath, from the first pattern.

    Parameters
    ----------
    rng : Generator
        Of patterns, noise of pairs, and dynamics.
    noise, temperature : float
        w = omega / sqrt(N) >= 0, and T >= 0 in units in which a pattern has the energy -N / 2.
    n_spins, pattern_load : int, float
        N, and alpha: K is the whole number nearest to alpha N, at least 1.
    sweeps, burn_in : int
        Measured sweeps of N attempts, and those before them.

    Returns
    -------
    Observables
        Dimensionless; both networks together.
    """
    K = max(round(pattern_load * n_spins), 1)
    patterns = rng.choice(np.array([-1.0, 1.0]), (K, n_spins))
    pairs = noisy_pairs(rng, patterns, noise * math.sqrt(n_spins))
    networks = []
    for _ in range(2):
        spins = patterns[0].copy()
        means = run(pairs, spins, float(temperature), sweeps, burn_in, rng)
        networks.append((means, patterns[0] @ spins / n_spins))
    (first, m1), (second, m2) = networks
    return Observables(
        overlap=float(patterns[0] @ (first + second)) / (2 * n_spins),
        self_overlap=float(first @ second) / n_spins,
        retrieved=(float(abs(m1) > 0.5) + float(abs(m2) > 0.5)) / 2,
    )


def noisy_pairs(rng: np.random.Generator, patterns: np.ndarray, omega: float) -> np.ndarray:
    """A of all patterns, float32 (N, N, K), symmetric, with zero diagonal.

    Parameters
    ----------
    rng : Generator
        Of the noise.
    patterns : ndarray
        Entries +-1, (K, N).
    omega : float
        Standard deviation of the noise of an entry.
    """
    K, n = patterns.shape
    pairs = np.empty((n, n, K), np.float32)
    for mu, xi in enumerate(patterns):
        upper = np.triu(rng.standard_normal((n, n), np.float32), 1)
        pairs[:, :, mu] = np.outer(xi, xi) + omega * (upper + upper.T)
    pairs[np.arange(n), np.arange(n)] = 0
    return pairs


# not cached on disk: Numba would not notice a change of the rule in glauber.py
@numba.njit(nogil=True, error_model="numpy")
def run(pairs, spins, temperature, sweeps, burn_in, rng):
    """Heat bath of ``spins`` (changed); returns their time averages.

    The sums u_i^mu = sum_j A_ij^mu s_j are kept, and X_mu with them: a flip of s_i changes X_mu by
    -4 s_i u_i^mu / N^2.
    """
    n, _, K = pairs.shape
    u = np.zeros((n, K))
    for i in range(n):
        for j in range(n):
            u[i] += pairs[i, j] * spins[j]
    X = np.zeros(K)
    for i in range(n):
        X += spins[i] * u[i] / n**2
    total = np.zeros(n)
    for sweep in range(burn_in + sweeps):
        for _ in range(n):
            i = rng.integers(0, n)
            change = -4 * spins[i] * u[i] / n**2
            cost = -n / 2 * np.sum(change * (2 * X + change))
            if is_flipped(rng.random(), cost, temperature, False):
                spins[i] = -spins[i]
                X += change
                for j in range(n):
                    u[j] += 2 * spins[i] * pairs[i, j]
        if sweep >= burn_in:
            total += spins
    return total / sweeps
