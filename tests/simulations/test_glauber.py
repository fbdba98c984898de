"""Single-spin dynamics: both programs have the probabilities that are stated."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit.simulations.glauber import flip_probability, is_flipped, sweep
from thermolimit.solvers.precision import simulation_precision

COSTS = [-math.inf, -50.0, -1.0, -1e-9, 0.0, 1e-9, 0.2, 1.0, 5.0, 40.0, 1e3, math.inf]


def stated(cost, temperature, rule):
    """1 / (1 + exp(dE / T)), or min(1, exp(-dE / T))."""
    if cost == 0:
        ratio = 0.0
    else:
        ratio = cost / temperature if temperature else math.copysign(math.inf, cost)
    if rule == "metropolis":
        return math.exp(-max(ratio, 0.0))
    smaller = math.exp(-abs(ratio)) / (1 + math.exp(-abs(ratio)))
    return smaller if ratio > 0 else 1 - smaller


@pytest.mark.parametrize("temperature", [0.0, 1e-3, 0.4, 3.0])
@pytest.mark.parametrize("rule", ["glauber", "metropolis"])
def test_flips_have_the_probability_that_is_stated(rule, temperature):
    uniforms = np.linspace(0, 1, 1001)[1:-1]
    for cost in COSTS:
        probability = stated(cost, temperature, rule)
        with simulation_precision(64):
            found = flip_probability(jnp.asarray(cost), jnp.asarray(temperature), rule)
        assert float(found) == pytest.approx(probability, rel=1e-13)
        # at the edge too: a few parts in 1e16 of it are rounding
        below, above = probability * (1 - 1e-15), probability * (1 + 1e-15)
        for uniform in (*uniforms, below, above):
            if uniform < 1:
                flips = is_flipped(uniform, cost, temperature, rule == "metropolis")
                assert flips == (uniform < probability), (cost, uniform)


@pytest.mark.parametrize("rule", ["glauber", "metropolis"])
@pytest.mark.parametrize("cost, fraction", [(math.inf, 0), (-math.inf, 1)])
def test_a_sweep_tries_as_many_spins_as_there_are_and_keeps_the_sums(rule, cost, fraction):
    N, key = 50, jax.random.key(3)
    start = jnp.asarray(np.random.default_rng(1).choice([-1.0, 1.0], N), jnp.float32)
    weights = jnp.arange(1, N + 1, dtype=jnp.float32)
    spins, total, accepted = sweep(
        key, start, weights @ start,
        cost=lambda i, spin, total: jnp.float32(cost),
        moved=lambda total, i, change: total + weights[i] * change,
        temperature=jnp.float32(1), dynamics=rule,
    )  # fmt: skip
    assert accepted == fraction * N
    assert total == weights @ spins  # whole numbers: exact
    # a spin that was flipped twice is as before: the number of others has the parity of all flips
    assert (np.asarray(spins != start).sum() - fraction * N) % 2 == 0
    assert bool((spins != start).any()) == bool(fraction)
