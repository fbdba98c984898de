"""Dense Hebbian networks in JAX: their disorder, their fields from power sums, their dynamics."""

from __future__ import annotations

import math
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from thermolimit.simulations.glauber import flip_probability, sweep
from thermolimit.simulations.recording import time_average

from .dense_case import TOLERANCE, Case, elementary_field, onsager
from .dense_kernels import Run


def draw(key, case: Case, quality):
    """Archetypes (N, K), examples of the first class (M, N), rows (N, rows), of whole numbers."""
    N, K, M = case.n_spins, case.classes, case.examples
    first, second = jax.random.split(key)
    archetypes = jax.random.rademacher(first, (N, K), jnp.int8)

    def examples(a):
        agrees = jax.random.bernoulli(jax.random.fold_in(second, a), (1 + quality) / 2, (N, K))
        return jnp.where(agrees, archetypes, -archetypes)

    seen = lax.map(lambda a: examples(a)[:, 0], jnp.arange(M))
    if case.protocol == "unsupervised" or M == 1:
        rows = lax.map(examples, jnp.arange(M))  # (M, N, K)
        return archetypes, seen, jnp.moveaxis(rows, 0, 2).reshape(N, K * M)
    dtype = jnp.int8 if M <= 127 else jnp.int16
    zero = jnp.zeros((N, K), dtype)
    rows = lax.fori_loop(0, M, lambda a, rows: rows + examples(a).astype(dtype), zero)
    return archetypes, seen, rows


def first_state(key, case: Case, archetypes, seen):
    """Spins (N,) that ``start`` stands for; the key is of random ones."""
    if case.start == "archetype":
        return archetypes[:, 0]
    if case.start == "example":
        return seen[0]
    if case.start == "mixture":
        return jnp.sign(archetypes[:, 0] + archetypes[:, 1] + archetypes[:, 2])
    return jax.random.rademacher(key, (case.n_spins,), jnp.int8)


def column_sums(rows, spins):
    """Sums over sites, without a copy of the rows as floating-point numbers."""
    return jnp.sum(rows.astype(spins.dtype) * spins[:, None], axis=0)


class Laws:
    """The energy of a network, its fields and its noise, from power sums over spins.

    Rows of +-1 need the first power sum only: the odd ones are equal, the even ones count spins.
    Others are divided by M, so that high powers stay in the range of float32.
    """

    def __init__(self, case: Case, rows, temperature, quality) -> None:
        self.case, self.rows = case, rows
        self.temperature, self.quality = temperature, quality
        self.signs = rows.shape[1] != case.classes or case.examples == 1
        self.unit = 1.0 if self.signs else 1.0 / case.examples
        self.short = self.signs and not case.mean_field
        self.scale = case.scale(quality) * (1.0 / self.unit) ** case.interaction_order

    def entries(self, row):
        """A row at a site, in floating-point numbers."""
        return self.unit * row.astype(self.temperature.dtype)

    def power_sums(self, spins) -> tuple[Array, ...]:
        """Of all spins: p_1 ... p_P, each (rows,), or the first."""
        terms = self.entries(self.rows) * spins[:, None]
        count = 1 if self.short else self.case.interaction_order
        return tuple(jnp.sum(terms**k, axis=0) for k in range(1, count + 1))

    def moved(self, sums, row, change) -> tuple[Array, ...]:
        """The power sums when a spin +-1 changes by ``change``; even ones stay."""
        y = self.entries(row)
        return tuple(p if k % 2 else p + y ** (k + 1) * change for k, p in enumerate(sums))

    def field(self, row, spin, sums):
        """Of one site, per ``scale``: half of the change of E with the spin from -1 to 1."""
        P, y = self.case.interaction_order, self.entries(row)
        others = self._without(sums, y * spin)
        if self.case.all_indices:
            odd = [math.comb(P, j) * others[0] ** (P - j) * y**j for j in range(1, P + 1, 2)]
            return jnp.sum(sum(odd[1:], odd[0]))
        return math.factorial(P) * jnp.sum(y * elementary_field(P)(*others))

    def _without(self, sums, own) -> list[Any]:
        """p_1 ... p_(P-1) of the other spins."""
        count = self.case.interaction_order - 1
        if self.short:
            rest = sums[0] - own
            return [float(self.case.n_spins - 1) if k % 2 else rest for k in range(count)]
        return [p - own ** (k + 1) for k, p in enumerate(sums[:count])]

    def energy(self, sums):
        """Per spin."""
        P = self.case.interaction_order
        if self.case.all_indices:
            total = jnp.sum(sums[0] ** P)
        else:
            n = float(self.case.n_spins)
            full = [n if k % 2 else sums[0] for k in range(P)] if self.short else sums
            total = math.factorial(P) * jnp.sum(elementary_field(P + 1)(*full))
        return -self.scale * total / self.case.n_spins

    def fields(self, spins, sums):
        """Of all sites at once."""
        at_sites = jax.vmap(self.field, (0, 0, None))
        return self.scale * at_sites(self.rows, spins, sums)


def run(laws: Laws, key, spins, burn_in: int, sweeps: int) -> Run:
    """Time averages of one network from ``spins``."""
    one = _sweep_parallel if laws.case.dynamics == "parallel" else _sweep_sequential

    def one_sweep(state, step):
        (spins, sums), accepted = one(laws, jax.random.fold_in(key, 1 + step), *state)
        return (spins, sums), (spins, laws.energy(sums), accepted / spins.size)

    first = spins.astype(laws.temperature.dtype)
    state = (first, laws.power_sums(first))
    averages, (final, _) = time_average(one_sweep, state, burn_in, sweeps)
    return Run(*averages, final=final)


def _sweep_sequential(laws: Laws, key, spins, sums):
    """N attempts; returns the spins and their power sums, and how many flips were accepted."""

    def cost(i, spin, sums):
        return 2 * spin * laws.scale * laws.field(laws.rows[i], spin, sums)

    def moved(sums, i, change):
        return laws.moved(sums, laws.rows[i], change)

    rule = "metropolis" if laws.case.dynamics == "metropolis" else "glauber"
    spins, sums, accepted = sweep(key, spins, sums, cost, moved, laws.temperature, rule)
    if not laws.short:  # made anew, so that rounding does not add up; whole numbers are exact
        sums = laws.power_sums(spins)
    return (spins, sums), accepted


def _sweep_parallel(laws: Laws, key, spins, sums):
    """All spins at once."""
    uniforms = jax.random.uniform(key, spins.shape, spins.dtype)
    cost = 2 * spins * laws.fields(spins, sums)
    flips = uniforms < flip_probability(cost, laws.temperature, "glauber")
    spins = jnp.where(flips, -spins, spins)
    return (spins, laws.power_sums(spins)), jnp.sum(flips.astype(spins.dtype))


def solve(laws: Laws, spins, steps: int) -> Run:
    """Iterate the mean-field equations, half of the way at each step."""
    dtype = laws.temperature.dtype

    def is_moving(state):
        _, change, done = state
        return (change >= TOLERANCE) & (done < steps)

    def step(state):
        m, _, done = state
        h = laws.fields(m, laws.power_sums(m))
        if laws.case.dynamics == "tap":
            h -= onsager(laws.case, jnp.mean(m**2), laws.temperature, laws.quality) * m
        change = (jnp.tanh(jnp.where(h == 0, 0, h / laws.temperature)) - m) / 2
        return m + change, jnp.max(abs(change)), done + 1

    m, _, _ = lax.while_loop(is_moving, step, (spins.astype(dtype), jnp.array(inf, dtype), 0))
    energy = laws.energy(laws.power_sums(m))
    return Run(m, energy, jnp.zeros((), dtype), m)
