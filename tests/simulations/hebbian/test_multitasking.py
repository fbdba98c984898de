"""The simulated multitasking network samples the Gibbs law of its energy, in both programs."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.experiments import compare, sweep
from thermolimit.simulations.hebbian import multitasking as network
from thermolimit.theory.hebbian import multitasking

N, K, T = 10, 3, 0.5
STANDARD_ERRORS = 4
RUNS = 64  # independent runs; their scatter is the error bar


@pytest.fixture(scope="module")
def data():
    """Patterns with blank entries, and class means, real and of both signs."""
    rng = np.random.default_rng(5)
    patterns = rng.choice([-1.0, 0.0, 1.0], (N, K))
    return patterns, patterns * (1 + 0.4 * rng.normal(size=(N, K)))


def gibbs(means):
    """All configurations (2^N, N), their energies and probabilities, from the definition."""
    spins = np.array(list(itertools.product([-1.0, 1.0], repeat=N)))
    coupling = means @ means.T
    np.fill_diagonal(coupling, 0)
    energy = -np.einsum("ci,ij,cj->c", spins, coupling, spins) / (2 * N)
    weight = np.exp(-(energy - energy.min()) / T)
    return spins, energy, weight / weight.sum(), coupling


def losses(means, spins):
    """Of every configuration, from the definition: L+- = |x -+ s|^2 / 2N, summed over patterns."""
    plus, minus = (
        ((means[None] - sign * spins[:, :, None]) ** 2).sum(axis=1) / (2 * N) for sign in (1, -1)
    )
    return (plus * minus).sum(axis=1)


def exact(patterns, means):
    """Means over the Gibbs law of everything that a network measures."""
    spins, _, probability, coupling = gibbs(means)
    m, n = spins @ patterns / N, spins @ means / N
    cost = 2 * spins * (spins @ coupling) / N
    rate = 1 / (1 + np.exp(cost / T))
    return network.TimeAverages(
        probability @ (np.sign(n) * m),
        probability @ abs(n),
        probability @ (n**2).sum(axis=1),
        probability @ losses(means, spins),
        probability @ rate.mean(axis=1),
    )


def run_numba(patterns, means):
    rng = np.random.default_rng(1)
    runs = [
        network.run_network(rng, patterns, means, np.ones(N), T, 4000, 200) for _ in range(RUNS)
    ]
    return network.TimeAverages(*map(np.array, zip(*runs, strict=True)))


def run_jax(patterns, means):
    single = (jnp.asarray(x, jnp.float32) for x in (patterns, means, np.ones(N), T))
    run = partial(network._network, *single, 2000, 200)
    return jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(1), RUNS))


@pytest.mark.parametrize("run", [run_numba, run_jax])
def test_averages_agree_with_the_enumeration_of_all_states(data, run):
    for samples, mean in zip(run(*data), exact(*data), strict=True):
        samples = np.asarray(samples, float)
        error = samples.std(axis=0, ddof=1) / math.sqrt(RUNS)
        assert (abs(samples.mean(axis=0) - mean) < STANDARD_ERRORS * error).all()
        assert (error < 0.01 * abs(mean)).all()  # small enough to mean something


def test_energy_is_that_of_the_pairs_without_the_diagonal(data):
    patterns, means = data
    spins, energy, _, _ = gibbs(means)
    both = spins[[3, 700]]
    power = ((both @ means / N) ** 2).sum(axis=1)
    nothing = np.zeros((2, K))
    averages = network.TimeAverages(nothing, nothing, power, np.zeros(2), np.zeros(2))
    found = network._observables(means, averages).energy
    assert found == pytest.approx(energy[[3, 700]].mean() / N, abs=1e-14)


def test_the_energy_is_the_loss_of_all_patterns(data):
    _, means = data
    spins, energy, _, _ = gibbs(means)
    size = (means**2).mean(axis=0)
    loss = N / 2 * (losses(means, spins) - (((1 + size) / 2) ** 2).sum())
    np.testing.assert_allclose(energy, loss + size.sum() / 2, atol=1e-12)


@pytest.mark.parametrize("engine", ["numba", "jax"])
@pytest.mark.parametrize("start", ["pure", "hierarchical"])
def test_at_zero_temperature_and_without_blanks_a_pattern_is_a_fixed_point(engine, start):
    data = sweep(
        network.simulate, seed=1, replicas=2, engine=engine, start=start, law="storage",
        temperature=0.0, dilution=0.0, n_spins=64, n_patterns=1, sweeps=5, burn_in=0,
    )  # fmt: skip
    assert (data["overlaps"] == 1).all()
    assert (data["acceptance"] == 0).all()


def test_starts_serve_the_patterns_as_they_say():
    patterns = np.array([[1, -1, -1], [0, -1, 1], [0, 0, 0], [-1, 0, 1], [0, 0, -1.0]])
    free = np.array([1, -1, 1, 1, -1.0])
    expected = {
        "pure": [1, -1, 1, -1, -1],
        "hierarchical": [1, -1, 1, -1, -1],
        "symmetric": [-1, -1, 1, 1, -1],
        "random": free,
    }
    for start, spins in expected.items():
        for numpy in (np, jnp):
            found = network._begin(numpy, numpy.asarray(patterns), numpy.asarray(free), start)
            np.testing.assert_array_equal(found, spins)


LAWS = [
    {"law": "storage"},
    {"law": "gauss", "entropy": 0.5},
    {"law": "binomial", "quality": 0.4, "examples": 11},
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law["law"])
def test_class_means_have_the_moments_of_their_law(law):
    known = {"storage": 0.0, "gauss": 0.5, "binomial": (1 - 0.4**2) / (11 * 0.4**2)}
    numbers = [law.get("entropy", 0.0), law.get("quality", 1.0), law.get("examples", 1.0)]
    shape = (40_000, 2)
    drawn = [network._right_numpy(np.random.default_rng(2), shape, law["law"], *numbers)]
    wide = (jnp.asarray(x, jnp.float32) for x in numbers)
    drawn.append(np.asarray(network._right_jax(jax.random.key(2), shape, law["law"], *wide)))
    rho = known[law["law"]]
    for x in drawn:
        assert x.mean() == pytest.approx(1, abs=4 * math.sqrt(rho / x.size) + 1e-12)
        assert x.var() == pytest.approx(rho, abs=4 * rho * math.sqrt(2 / x.size) + 1e-12)
        if law["law"] == "binomial":
            k = (x * 0.4 * 11 + 11) / 2
            np.testing.assert_allclose(k, np.round(k), atol=1e-5)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law["law"])
def test_both_programs_follow_the_same_law(law):
    numba, jitted = (
        sweep(
            network.simulate, seed=1, replicas=48, engine=engine, temperature=0.1, dilution=0.4,
            n_spins=200, n_patterns=2, sweeps=50, burn_in=25, **law,
        )
        for engine in ("numba", "jax")
    )  # fmt: skip
    for name in network.Observables._fields:
        a, b = (found[name].transpose("replica", ...).values for found in (numba, jitted))
        a, b = a.astype(float), b.astype(float)
        error = np.hypot(a.std(axis=0, ddof=1), b.std(axis=0, ddof=1)) / math.sqrt(48)
        assert (abs(a.mean(axis=0) - b.mean(axis=0)) < STANDARD_ERRORS * error).all(), name


def test_stored_overlaps_agree_with_the_theory():
    measured = sweep(
        network.simulate, seed=1, replicas=32, engine="numba", law="storage", n_patterns=3,
        n_spins=4000, dilution=[0.3, 0.5], temperature=0.03, sweeps=50, burn_in=50,
    )  # fmt: skip
    predicted = solvers.saddle_points(
        multitasking.Multitasking(3, "storage"), start="hierarchical", dilution=[0.3, 0.5],
        temperature=0.03,
    )  # fmt: skip
    assert (predicted["overlaps"] > 0.05).all()
    comparison = compare(predicted, measured)
    for name in ("overlaps", "loss"):
        assert (abs(comparison[f"{name}_pull"]) < STANDARD_ERRORS).all()


@pytest.mark.slow
def test_overlaps_of_exact_examples_are_those_of_the_exact_law():
    point = {"dilution": 0.3, "temperature": 0.1, "quality": 0.5, "examples": 50}
    measured = sweep(
        network.simulate, seed=1, replicas=400, engine="numba", law="binomial", n_patterns=2,
        n_spins=8000, sweeps=100, burn_in=100, **point,
    )  # fmt: skip
    theory = multitasking.Multitasking(2, "binomial")
    predicted = solvers.saddle_points(theory, start="hierarchical", **point)
    comparison = compare(predicted, measured)
    assert predicted["overlaps"][0].item() == pytest.approx(0.695523, abs=5e-7)
    assert (abs(comparison["overlaps_pull"]) < STANDARD_ERRORS).all()
    assert (abs(comparison["class_overlaps_pull"]) < STANDARD_ERRORS).all()
    # the Gaussian law of the same entropy has 0.696381
    first = comparison["overlaps_error"].isel(pattern=0).item()
    assert first < 3e-4


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"temperature": -0.1}, r"temperature = -0.1 is outside \[0, inf\)"),
        ({"dilution": 1.0}, r"dilution = 1 is outside \[0, 0.999999\]"),
        ({"dilution": -0.1}, r"dilution = -0.1 is outside \[0, 0.999999\]"),
        ({"quality": 1.1}, r"quality = 1.1 is outside \[1e-06, 1\]"),
        ({"examples": 0}, r"examples = 0 is outside \[1, inf\)"),
        ({"n_spins": 1}, r"n_spins = 1 is outside \[2, inf\)"),
        ({"n_patterns": 0}, r"n_patterns = 0 is outside \[1, inf\)"),
        ({"law": "cauchy"}, "law = 'cauchy' is not one of"),
        ({"start": "mixed"}, "start = 'mixed' is not one of"),
    ],
)
def test_bad_input_gets_one_sentence(wrong, sentence):
    arguments = {"temperature": 0.3, "dilution": 0.3, "n_spins": 10, "n_patterns": 2} | wrong
    with pytest.raises(ValueError, match=sentence):
        sweep(network.simulate, seed=1, replicas=1, sweeps=1, **arguments)
