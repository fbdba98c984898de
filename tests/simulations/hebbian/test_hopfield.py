"""The simulated Hopfield network samples the Gibbs law, in both programs and by both rules."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.experiments import compare, inverse_size_fit, sweep
from thermolimit.simulations.hebbian import hopfield as network
from thermolimit.simulations.hebbian.dense_kernels import Run
from thermolimit.theory.hebbian import hopfield

N, K, T = 10, 3, 0.9
STANDARD_ERRORS = 4
RUNS = 64  # independent runs; their scatter is the error bar
RULES = ("glauber", "metropolis")


@pytest.fixture(scope="module")
def patterns():
    return np.random.default_rng(5).choice(np.array([-1, 1], np.int8), (N, K))


def gibbs(patterns):
    """All configurations (2^N, N) and their probabilities, from the energy as it is defined."""
    spins = np.array(list(itertools.product([-1, 1], repeat=N)))
    coupling = patterns.astype(int) @ patterns.T.astype(int)
    np.fill_diagonal(coupling, 0)
    energy = -np.einsum("ci,ij,cj->c", spins, coupling, spins) / (2 * N)
    weight = np.exp(-(energy - energy.min()) / T)
    return spins, energy, weight / weight.sum(), coupling


def exact(patterns, dynamics):
    """Mean of the energy per spin, and of the acceptance of a flip, over the Gibbs law."""
    spins, energy, probability, coupling = gibbs(patterns)
    cost = 2 * spins * (spins @ coupling) / N
    rule = {
        "glauber": 1 / (1 + np.exp(cost / T)),
        "metropolis": np.minimum(1, np.exp(-cost / T)),
    }[dynamics]
    return probability @ energy / N, probability @ rule.mean(axis=1)


def run_numba(patterns, dynamics):
    rng = np.random.default_rng(1)
    metropolis = dynamics == "metropolis"
    runs = [network.run_network(rng, patterns, T, 4000, 200, metropolis) for _ in range(RUNS)]
    return np.array([run.energy for run in runs]), np.array([run.acceptance for run in runs])


def run_jax(patterns, dynamics):
    run = partial(network._network, jnp.asarray(patterns, jnp.float32), jnp.float32(T), 2000, 200)
    averages = jax.jit(jax.vmap(partial(run, dynamics)))(jax.random.split(jax.random.key(1), RUNS))
    return np.asarray(averages.energy, float), np.asarray(averages.acceptance, float)


@pytest.mark.parametrize("dynamics", RULES)
@pytest.mark.parametrize("run", [run_numba, run_jax])
def test_averages_agree_with_the_enumeration_of_all_states(patterns, run, dynamics):
    for samples, mean in zip(run(patterns, dynamics), exact(patterns, dynamics), strict=True):
        error = samples.std(ddof=1) / math.sqrt(RUNS)
        assert abs(samples.mean() - mean) < STANDARD_ERRORS * error
        assert error < 0.005 * abs(mean)  # the error bar is small enough to mean something


def test_energy_is_that_of_the_pairs_without_the_diagonal(patterns):
    spins, energy, _, _ = gibbs(patterns)
    both = spins[[3, 700]].astype(float)
    energies = np.array([network.energy(one @ patterns, N) for one in both])
    assert energies == pytest.approx(energy[[3, 700]] / N, abs=1e-14)
    found = network._observables(patterns, Run(both, energies, np.zeros(2), both))
    overlaps = both @ patterns / N
    assert found.overlap == pytest.approx(overlaps[:, 0].mean(), abs=1e-14)
    assert found.self_overlap == pytest.approx((both[0] * both[1]).mean(), abs=1e-14)
    crosstalk = (overlaps[0, 1:] * overlaps[1, 1:]).mean() * N
    assert found.crosstalk == pytest.approx(crosstalk, abs=1e-14)


@pytest.mark.parametrize("engine", ["numba", "jax"])
@pytest.mark.parametrize("dynamics", RULES)
def test_at_zero_temperature_a_single_pattern_is_a_fixed_point(engine, dynamics):
    data = sweep(
        network.simulate, seed=1, replicas=2, engine=engine, dynamics=dynamics,
        temperature=0.0, n_spins=64, pattern_load=1 / 64, sweeps=5, burn_in=0,
    )  # fmt: skip
    assert (data["overlap"] == 1).all()
    assert (data["acceptance"] == 0).all()


@pytest.mark.parametrize("dynamics", RULES)
def test_both_programs_follow_the_same_law(dynamics):
    numba, jitted = (
        sweep(
            network.simulate, seed=1, replicas=48, engine=engine, dynamics=dynamics,
            temperature=0.4, n_spins=200, pattern_load=0.03, sweeps=100, burn_in=50,
        )
        for engine in ("numba", "jax")
    )  # fmt: skip
    for name in network.Observables._fields:
        a, b = numba[name].values.astype(float), jitted[name].values.astype(float)
        error = math.hypot(a.std(ddof=1), b.std(ddof=1)) / math.sqrt(48)
        assert abs(a.mean() - b.mean()) < STANDARD_ERRORS * error, name


@pytest.mark.parametrize(
    "n_spins, pattern_load, expected", [(250, 0.02, 5), (250, 0.05, 12), (10, 0.14, 1)]
)
def test_the_number_of_patterns_is_the_nearest_whole_number(n_spins, pattern_load, expected):
    assert network.n_patterns(n_spins, pattern_load) == expected


def test_overlaps_agree_with_the_theory_at_every_size_and_in_the_limit():
    # at N = 250 the overlaps of single networks are skewed: 20 of them would not make a Gaussian
    measured = sweep(
        network.simulate, seed=1, replicas=64, engine="numba",
        n_spins=[250, 500, 1000, 2000], pattern_load=0.05, temperature=0.3,
    )  # fmt: skip
    predicted = solvers.saddle_points(
        hopfield.ReplicaSymmetric(), start="retrieval", pattern_load=0.05, temperature=0.3
    )
    comparison = compare(predicted, measured)
    assert (abs(comparison["overlap_pull"]) < STANDARD_ERRORS).all()
    fit = inverse_size_fit(comparison, "overlap")
    assert abs(fit["limit"]) < STANDARD_ERRORS * fit["limit_error"]
    assert fit["limit_error"] < 2e-4


@pytest.mark.slow
def test_the_batched_program_agrees_with_the_theory_too():
    measured = sweep(
        network.simulate, seed=1, replicas=64, engine="jax",
        n_spins=[500, 1000], pattern_load=[0.02, 0.05], temperature=0.3,
    )  # fmt: skip
    predicted = solvers.saddle_points(
        hopfield.ReplicaSymmetric(), start="retrieval", pattern_load=[0.02, 0.05], temperature=0.3
    )
    for name in ("overlap", "self_overlap", "crosstalk"):
        assert (abs(compare(predicted, measured)[f"{name}_pull"]) < STANDARD_ERRORS).all(), name


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"temperature": -0.1}, r"temperature = -0.1 is outside \[0, inf\)"),
        ({"n_spins": 1}, r"n_spins = 1 is outside \[2, inf\)"),
        ({"pattern_load": 0.0}, r"pattern_load = 0 is outside \(0, inf\)"),
        ({"pattern_load": 0.01}, r"pattern_load = 0.01 makes no pattern at n_spins = 10"),
        ({"sweeps": 0}, r"sweeps = 0 is outside \[1, inf\)"),
        ({"dynamics": "heat"}, "dynamics = 'heat' is not one of"),
    ],
)
def test_bad_input_gets_one_sentence(wrong, sentence):
    arguments = {"temperature": 0.3, "n_spins": 10, "pattern_load": 0.2, "sweeps": 1} | wrong
    with pytest.raises(ValueError, match=sentence):
        sweep(network.simulate, seed=1, replicas=1, **arguments)
