"""Single examples as states: the energy by its definition, enumeration of spins, limits."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thermolimit import solvers
from thermolimit.experiments import sweep
from thermolimit.simulations.hebbian import dense_memory as network
from thermolimit.theory.hebbian.dense_memory import Model, ReplicaSymmetric
from thermolimit.theory.hebbian.examples import SingleExample


@pytest.mark.parametrize("P", [2, 3, 4])
def test_the_energy_of_a_cold_example_is_that_of_sampled_examples(P):
    r, M, N = 0.6, 5, 4000
    theory = SingleExample(P)
    with jax.enable_x64(True):
        control = theory.Control(*map(jnp.asarray, (0.1, r, float(M))))
        energy = theory.observables(theory.starts["example"](control), control).energy
    assert energy == pytest.approx(-(1 / (M * r**P) + (1 - 1 / M) * r**P) / 2, abs=1e-14)
    rng = np.random.default_rng(P)
    found = []
    for _ in range(50):
        eta = np.where(rng.random((M, N)) < (1 + r) / 2, 1, -1)
        found.append(-((eta @ eta[0] / N) ** P).sum() / (2 * M * r**P))
    error = np.std(found, ddof=1) / np.sqrt(50)
    # the mean of n^P exceeds the power of the mean by its variance, of order 1 / N
    assert abs(np.mean(found) - energy) < 4 * error + P**2 / N


@pytest.mark.parametrize("P", [2, 3, 4])
def test_equations_and_free_energy_are_sums_over_all_examples(P):
    r, M, T, overlaps = 0.6, 4, 0.3, (0.8, 0.3)
    theory = SingleExample(P)
    n = np.array([overlaps[0]] + [overlaps[1]] * (M - 1))
    moments, logs = np.zeros(M), 0.0
    for eta in itertools.product([-1, 1], repeat=M):
        eta = np.array(eta)
        chance = np.prod((1 + eta * r) / 2)
        h = P / (2 * M * r**P) * eta @ n ** (P - 1)
        moments += chance * eta * np.tanh(h / T)
        logs += chance * np.logaddexp(h / T, -h / T)
    f = (P - 1) / (2 * M * r**P) * (n**P).sum() - T * logs
    with jax.enable_x64(True):
        order = theory.Order(*map(jnp.asarray, overlaps))
        control = theory.Control(*map(jnp.asarray, (T, r, float(M))))
        np.testing.assert_allclose(theory.update(order, control), moments[:2], atol=1e-13)
        assert theory.free_energy(order, control) == pytest.approx(f, abs=1e-13)


def test_with_equal_overlaps_the_state_is_the_archetype_of_the_class_mean():
    about = {"temperature": 0.2, "quality": 0.6, "examples": 20.0}
    data = solvers.saddle_points(SingleExample(3), start="archetype", **about)
    theory = ReplicaSymmetric(Model(3, "unsupervised", "binomial"))
    with jax.enable_x64(True):
        # the self-overlap matters to the noise of other classes only
        order = theory.Order(*map(jnp.asarray, (data["class_overlap"].item(), 0.9)))
        control = theory.Control(*map(jnp.asarray, (0.0, *about.values())))
        moved, (overlap, energy) = theory.update(order, control), theory.observables(order, control)
        known = {
            "class_overlap": moved.class_overlap, "overlap": overlap, "energy": energy,
            "free_energy": theory.free_energy(order, control),
        }  # fmt: skip
    for name, value in known.items():
        assert data[name].item() == pytest.approx(float(value), abs=1e-9), name


def test_few_examples_are_deeper_than_the_archetype_and_many_are_not():
    # the energies cross where M r^P is of order 1; here it is 0.4 and 5
    about = {"temperature": 0.05, "quality": 0.5, "examples": np.array([3.0, 40.0])}
    data = solvers.saddle_points(SingleExample(3), **about, on_failure="keep")
    f = data["free_energy"].squeeze().transpose("examples", "start")
    few, many = (f.sel(start="example") - f.sel(start="archetype")).values
    assert few < 0
    assert not many < 0


def test_simulated_examples_keep_the_overlap_of_the_theory():
    about = {"temperature": 0.1, "quality": 0.6, "examples": 4}
    data = solvers.saddle_points(SingleExample(3), start="example", **about)
    measured = sweep(
        network.simulate, seed=2, replicas=24, engine="numba", interaction_order=3, n_spins=1000,
        pattern_load=0.0, protocol="unsupervised", start="example", sweeps=40, burn_in=20, **about,
    )  # fmt: skip
    for name, theirs in (("overlap", "overlap"), ("one_overlap", "example_overlap")):
        values = measured[theirs].values.ravel()
        error = values.std(ddof=1) / np.sqrt(values.size)
        assert abs(values.mean() - data[name].item()) < 4 * error + 1e-3, name
        assert error < 0.01


@pytest.mark.parametrize(
    "examples, sentence",
    [(2.5, "whole numbers of examples"), (100.0, "above most_examples"), (1.0, "examples = 1")],
)
def test_examples_that_are_not_enumerated_are_refused(examples, sentence):
    with pytest.raises(ValueError, match=sentence):
        solvers.saddle_points(SingleExample(3), temperature=0.1, quality=0.5, examples=examples)
