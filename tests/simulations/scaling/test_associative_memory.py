"""The simulated associative memory against enumeration, exact laws, plain NumPy, and the theory."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from thermolimit import solvers
from thermolimit.experiments import compare, sweep
from thermolimit.simulations.scaling import associative_memory as memory
from thermolimit.theory.scaling.associative_memory import (
    finite_data,
    infinite_data,
    infinite_memory,
)

STANDARD_ERRORS = 4


def zipf(alpha, n):
    weights = np.arange(1, n + 1) ** -float(alpha)
    return weights / weights.sum()


def answers(q, e, u):
    """Answers to all tokens, by the matrix W of the definition."""
    W = np.zeros((e.shape[1], e.shape[1]))
    for x, strength in enumerate(q):
        W += strength * np.outer(u[x % len(u)], e[x])
    return np.array([np.argmax([u_y @ W @ e_x for u_y in u]) for e_x in e])


def assert_mean(samples, expected):
    samples = samples.values.astype(float)
    error = samples.std(ddof=1) / math.sqrt(len(samples))
    assert 0 < error < 0.02
    assert abs(samples.mean() - expected) < STANDARD_ERRORS * error


def test_the_mean_over_all_embeddings_in_one_dimension_is_that_of_their_enumeration():
    n_tokens, n_classes = 6, 3
    p = zipf(1.5, n_tokens)
    errors = [
        p @ (answers(p, signs[:n_tokens, None], signs[n_tokens:, None]) != np.arange(6) % 3)
        for signs in map(np.array, itertools.product([-1.0, 1.0], repeat=n_tokens + n_classes))
    ]
    measured = sweep(
        memory.simulate, seed=1, replicas=4000, alpha=1.5, n_tokens=6, n_classes=3, dimension=1
    )
    assert_mean(measured["error"], np.mean(errors))


def test_one_stored_token_answers_for_half_of_its_class_and_a_share_of_the_others():
    measured = sweep(
        memory.simulate, seed=1, replicas=2000, alpha=1.3, n_tokens=8, n_classes=3, kept=1,
        scheme="threshold", dimension=2,
    )  # fmt: skip
    p = zipf(1.3, 8)
    own = p[3::3].sum()
    other = 1 - p[0] - own
    # exact in any dimension: half of the tokens are on its side and get its class, the others the
    # class most unlike it
    assert_mean(measured["error"], own / 2 + other * 3 / 4)


@pytest.mark.parametrize(  # in one block of tokens, or in five
    "embedding, at_once", [("sphere", memory.AT_ONCE), ("gaussian", 3 * 6)]
)
def test_a_draw_has_the_answers_of_the_matrix_of_the_definition(embedding, at_once):
    n_tokens, n_classes, d = 14, 3, 6
    rows = min(n_tokens, at_once // d)
    q = zipf(1.2, n_tokens) ** 0.5
    wrong = jax.jit(memory._wrong, static_argnums=(2, 3, 4, 5))
    seen = set()
    for seed in range(20):
        key = jax.random.key(seed)
        found = wrong(key, jnp.asarray(q, jnp.float32), d, n_classes, embedding, at_once)
        for_tokens, for_classes = jax.random.split(key)
        blocks = [
            memory._embeddings(jax.random.fold_in(for_tokens, b), (rows, d), embedding, jnp.float32)
            for b in range(-(-n_tokens // rows))
        ]
        e = np.concatenate(blocks)[:n_tokens].astype(float)
        u = memory._embeddings(for_classes, (n_classes, d), embedding, jnp.float32)
        expected = answers(q, e, np.asarray(u, float)) != np.arange(n_tokens) % n_classes
        np.testing.assert_array_equal(found, expected)
        seen |= set(expected.tolist())
    assert seen == {True, False}


@pytest.mark.parametrize("embedding, fourth", [("sphere", 1.0), ("gaussian", 1 + 2 / 8)])
def test_embeddings_have_the_moments_of_their_law(embedding, fourth):
    e = np.asarray(memory._embeddings(jax.random.key(0), (20_000, 8), embedding, jnp.float32))
    power = (e.astype(float) ** 2).sum(axis=1)
    np.testing.assert_allclose(e.T @ e / len(e), np.eye(8) / 8, atol=4 * 0.2 / math.sqrt(len(e)))
    error = (power**2).std() / math.sqrt(len(e))
    assert (power**2).mean() == pytest.approx(fourth, abs=4 * error + 1e-6)


def test_samples_follow_the_law_into_its_tail():
    p = zipf(2, 5000)
    T, draws = 3000, 200
    single = jnp.asarray(p, jnp.float32)
    draw = jax.jit(jax.vmap(lambda key: memory._counts(key, single, jnp.float32(T))))
    counts = np.asarray(draw(jax.random.split(jax.random.key(1), draws)), float)
    assert (counts.sum(axis=1) == T).all()
    groups = np.split(np.arange(5000), [1, 2, 3, 5, 10, 30, 100, 300, 1000, 3000])
    for group in groups:
        chance, found = p[group].sum(), counts[:, group].sum()
        assert abs(found - chance * T * draws) < 4 * math.sqrt(chance * (1 - chance) * T * draws)
    unseen = (counts == 0) @ p
    expected = solvers.evaluate(infinite_memory, alpha=2, n_samples=T, n_tokens=5000, n_classes=2)
    error = unseen.std() / math.sqrt(draws)
    assert abs(unseen.mean() - expected["unseen"].item()) < 4 * error


def test_a_threshold_keeps_the_most_frequent_of_what_was_seen():
    frequency = jnp.array([0.3, 0, 0.5, 0.1, 0.1, 0])
    found = memory._strengths(frequency, 1.0, "threshold", 3)
    np.testing.assert_array_equal(found, [1, 0, 1, 1, 0, 0])
    found = memory._strengths(frequency, 1.0, "threshold", 6)
    np.testing.assert_array_equal(found, [1, 0, 1, 1, 1, 0])
    found = memory._strengths(frequency, 0.0, "power", 0)
    np.testing.assert_array_equal(found, [1, 0, 1, 1, 1, 0])


def test_the_error_is_the_one_measured_before():
    measured = sweep(
        memory.simulate, seed=1, replicas=200, alpha=1.5, n_tokens=1000, n_classes=10, dimension=64
    )["error"]
    error = float(measured.std(ddof=1)) / math.sqrt(200)
    assert abs(float(measured.mean()) - 0.252) < STANDARD_ERRORS * math.hypot(error, 0.003)
    assert error < 0.004


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["power", "threshold"])
def test_the_theory_is_approached_as_the_dimension_grows(scheme):
    d = [16, 64, 256]
    kept = [x // 4 if scheme == "threshold" else 0 for x in d]
    shared = {
        "alpha": 1.5, "n_tokens": 1000, "n_classes": 10, "scheme": scheme, "dimension": d,
        "kept": xr.DataArray(kept, {"dimension": d}, ["dimension"]),
    }  # fmt: skip
    both = compare(
        solvers.evaluate(infinite_data, **shared),
        sweep(memory.simulate, seed=1, replicas=400, **shared),
    )
    deviation = (both["error_difference"] / both["error_theory"]).values
    error = (both["error_error"] / both["error_theory"]).values
    # scores are Gaussian and independent only for d >> 1: 8 to 13 % are known at d = 16, and 1 to
    # 3 % from d = 64
    assert (abs(deviation) < np.array([0.13, 0.03, 0.03]) + STANDARD_ERRORS * error).all()
    assert abs(deviation[0]) > abs(deviation[-1])


@pytest.mark.slow
def test_what_was_seen_is_retrieved_as_the_theory_says_of_the_same_law():
    n_samples, shared = 300, {"alpha": 2, "dimension": 64, "rho": 0.5, "n_classes": 8}
    measured = sweep(
        memory.simulate, seed=1, replicas=800, n_tokens=400, n_samples=n_samples, **shared
    )["error"]
    counts = np.random.default_rng(1).multinomial(n_samples, zipf(2, 400), size=800)
    predicted = solvers.evaluate(finite_data, counts=counts, **shared)
    error = math.hypot(float(measured.std()), predicted["spread"].item()) / math.sqrt(800)
    away = abs(float(measured.mean()) - predicted["error"].item())
    # 1 to 3 % are known at this dimension
    assert away < 0.03 * predicted["error"].item() + STANDARD_ERRORS * error
    assert error < 0.02 * predicted["error"].item()


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"alpha": 1}, r"alpha = 1 is outside \(1, inf\)"),
        ({"dimension": 0}, r"dimension = 0 is outside \[1, inf\)"),
        ({"n_tokens": 3}, "n_tokens = 3 is below n_classes = 4"),
        ({"n_samples": -1}, r"n_samples = -1 is outside \[0, 1.67772e[+]07\]"),
        ({"scheme": "top"}, r"scheme = 'top' is not one of \('power', 'threshold'\)"),
        ({"scheme": "threshold"}, r"kept = 0 is outside \[1, 20\], the number of tokens"),
        ({"scheme": "threshold", "kept": 21}, r"kept = 21 is outside \[1, 20\]"),
        ({"embedding": "cube"}, r"embedding = 'cube' is not one of \('sphere', 'gaussian'\)"),
    ],
)
def test_bad_input_gets_one_sentence(wrong, sentence):
    arguments = {"alpha": 2, "dimension": 8, "n_tokens": 20, "n_classes": 4} | wrong
    with pytest.raises(ValueError, match=sentence):
        sweep(memory.simulate, seed=1, replicas=1, **arguments)
