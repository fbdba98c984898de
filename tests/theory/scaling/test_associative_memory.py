"""Errors of an associative memory against published values, exact limits and plain integration."""

import math

import numpy as np
import pytest
import sympy as sp
import xarray as xr
from scipy import integrate, stats

from thermolimit import solvers
from thermolimit.theory.scaling import associative_memory
from thermolimit.theory.scaling.associative_memory import (
    exponents,
    finite_data,
    infinite_data,
    infinite_memory,
    retrieval,
)

N, M = 9, 3  # few shapes, each of which is compiled
HUGE = 1e14  # a dimension at which nothing that is stored is missed


def moments(q, x, n_classes, d, kappa):
    """Means and variances of the scores of token x, token by token from the definition.

    kappa = E |e|^4. Embeddings are isotropic, so that (u.v)^2 and (e.e')^2 have the mean 1/d.
    """
    mean, variance = np.zeros(n_classes), np.zeros(n_classes)
    for y in range(n_classes):
        for other, strength in enumerate(q):
            same_class, same_token = other % n_classes == y, other == x
            classes = kappa if same_class else 1 / d
            tokens = kappa if same_token else 1 / d
            mean[y] += strength * (same_class and same_token)
            variance[y] += strength**2 * (classes * tokens - (same_class and same_token))
    return mean, variance


def by_integration(p, q, n_classes, d, kappa=1.0):
    """The error by adaptive integration, a token at a time."""
    total = 0.0
    for x, weight in enumerate(p):
        mean, variance = moments(q, x, n_classes, d, kappa)
        c, sd = x % n_classes, np.sqrt(variance)
        others = np.arange(n_classes) != c

        def right(z, mean=mean[c], sd=sd, c=c, others=others):
            return stats.norm.pdf(z) * np.prod(stats.norm.cdf((mean + sd[c] * z) / sd[others]))

        step = np.clip(-mean[c] / sd[c], -9, 9)
        total += weight * (1 - integrate.quad(right, -10, 10, points=[step], epsabs=1e-13)[0])
    return total


def test_the_error_of_an_infinite_memory_is_the_published_one():
    data = solvers.evaluate(infinite_memory, alpha=2, n_samples=1000, n_tokens=100_000, n_classes=5)
    assert data["unseen"].item() == pytest.approx(0.021836765880663488, rel=1e-14)
    assert data["error"].item() == pytest.approx(0.8 * 0.021836765880663488, rel=1e-14)


def test_the_power_law_in_the_samples_is_the_published_one():
    data = solvers.evaluate(infinite_memory, alpha=2, n_samples=1e6, n_tokens=100, n_classes=5)
    assert data["asymptote"].item() == pytest.approx(6.909882989426709e-4, rel=1e-14)


def test_the_power_law_in_the_samples_is_approached():
    data = solvers.evaluate(
        infinite_memory, alpha=[1.7, 2.0, 3.0], n_samples=[1e2, 1e3, 1e4], n_tokens=10**6,
        n_classes=2,
    )  # fmt: skip
    away = abs(data["unseen"] / data["asymptote"] - 1).transpose("n_samples", "alpha").values
    assert (np.diff(away[:, 1:], axis=0) < 0).all()
    assert (away[-1] < [5e-3, 1e-3, 5e-3]).all()  # at 1.7 rarer tokens than 10^6 are missed


def test_without_samples_everything_is_guessed():
    data = solvers.evaluate(infinite_memory, alpha=2, n_samples=0, n_tokens=100, n_classes=4)
    assert data["error"].item() == pytest.approx(3 / 4, abs=1e-14)


@pytest.mark.parametrize("embedding, kappa", [("sphere", 1.0), ("gaussian", 1 + 2 / 7)])
@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0, 2.0])
def test_the_error_is_the_integral_of_its_scores(embedding, kappa, rho):
    p = associative_memory.zipf(1.5, N)
    data = solvers.evaluate(
        infinite_data, alpha=1.5, dimension=7, rho=rho, n_tokens=N, n_classes=M,
        embedding=embedding,
    )  # fmt: skip
    expected = by_integration(p, p**rho, M, 7, kappa)
    assert data["error"].item() == pytest.approx(expected, abs=1e-10)
    assert data["certificate"].item() < 1e-9


@pytest.mark.parametrize("embedding", ["sphere", "gaussian"])
def test_means_and_variances_of_the_scores_are_exact(embedding):
    rng, d, n_classes, draws = np.random.default_rng(3), 5, 3, 100_000
    q = np.array([1.0, 0.7, 0.0, 0.4, 0.3])
    kappa = 1.0 if embedding == "sphere" else 1 + 2 / d
    e, u = (rng.normal(size=(draws, n, d)) / math.sqrt(d) for n in (len(q), n_classes))
    if embedding == "sphere":
        e, u = (v / np.linalg.norm(v, axis=2, keepdims=True) for v in (e, u))
    memory = np.einsum("x,rxi,rxj->rij", q, u[:, np.arange(len(q)) % n_classes], e)
    for x in (0, 2, 3):
        scores = np.einsum("ryi,rij,rj->ry", u, memory, e[:, x])
        mean, variance = moments(q, x, n_classes, d, kappa)
        square = (scores - mean) ** 2
        assert (abs(scores.mean(axis=0) - mean) < 4 * np.sqrt(variance / draws)).all()
        error = square.std(axis=0) / math.sqrt(draws)
        assert (abs(square.mean(axis=0) - variance) < 4 * error + 1e-14).all()


@pytest.mark.parametrize("d", [1.0, 30.0, 1e6])
def test_what_is_not_stored_is_guessed(d):
    q = np.array([1.0, 0.3, 0.2, 0.6, 0.1, 0.0, 0.0, 0.0, 0.0])
    p = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1]) / 3  # one such token in each of three classes
    data = solvers.evaluate(retrieval, probability=p, strength=q, dimension=d, n_classes=M)
    assert data["error"].item() == pytest.approx(2 / 3, abs=1e-10)


def test_a_huge_memory_misses_exactly_what_was_not_seen():
    counts = np.array([[5, 3, 1, 0, 0, 1, 0, 0, 0], [1, 0, 2, 0, 1, 1, 0, 0, 5], [9] + 8 * [0]])

    def error(rows):
        return solvers.evaluate(finite_data, counts=rows, alpha=2, dimension=HUGE, n_classes=M)

    unseen = associative_memory.zipf(2, N) * (counts[0] == 0)
    expected = by_integration(unseen, counts[0], M, HUGE)
    assert error(counts[:1])["error"].item() == pytest.approx(expected, abs=1e-9)
    alone = [error(row[None])["error"].item() for row in counts]
    together = error(counts)
    assert together["error"].item() == pytest.approx(np.mean(alone), abs=1e-14)
    assert together["spread"].item() == pytest.approx(np.std(alone), abs=1e-14)


def test_one_stored_token_answers_for_half_of_its_class_and_a_share_of_the_others():
    data = solvers.evaluate(
        infinite_data, alpha=1.3, dimension=HUGE, n_tokens=N, n_classes=M, scheme="threshold",
        kept=1,
    )  # fmt: skip
    p = associative_memory.zipf(1.3, N)
    own = p[M::M].sum()
    other = 1 - p[0] - own
    # half of the tokens are on its side and get its class, the others the class most unlike it
    assert data["error"].item() == pytest.approx(own / 2 + other * 3 / 4, abs=1e-6)


def test_samples_in_the_proportions_of_the_law_are_infinite_data():
    p = associative_memory.zipf(2, N)
    axes = {"alpha": 2, "dimension": [16, 64], "rho": 0.5, "n_classes": M}
    exact = solvers.evaluate(infinite_data, n_tokens=N, **axes)
    sampled = solvers.evaluate(finite_data, counts=1000 * p[None], **axes)
    np.testing.assert_allclose(sampled["error"], exact["error"], rtol=1e-12)


def test_a_threshold_keeps_the_most_frequent_of_what_was_seen():
    found = associative_memory.strengths(np.array([3.0, 0, 5, 1, 1, 0]), 1.0, "threshold", 3)
    np.testing.assert_array_equal(found, [1, 0, 1, 1, 0, 0])
    found = associative_memory.strengths(np.array([3.0, 0, 5, 1, 1, 0]), 1.0, "threshold", 6)
    np.testing.assert_array_equal(found, [1, 0, 1, 1, 1, 0])
    found = associative_memory.strengths(np.array([4.0, 0, 1.0]), 0.0, "power", 0)
    np.testing.assert_array_equal(found, [1, 0, 1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "scheme, rho, published",
    [("power", 1, -0.256), ("power", 0.5, -0.511), ("threshold", 0, -0.989)],
)
def test_slopes_in_the_dimension_are_those_found_with_another_quadrature(scheme, rho, published):
    d = np.array([128, 256, 512, 1024])
    kept = xr.DataArray(d // 8 if scheme == "threshold" else 0 * d, {"dimension": d}, ["dimension"])
    data = solvers.evaluate(
        infinite_data, alpha=2, dimension=d, rho=rho, n_tokens=4000, n_classes=4, scheme=scheme,
        kept=kept,
    )  # fmt: skip
    slope = np.polyfit(np.log(d), np.log(data["error"]), 1)[0]
    assert slope == pytest.approx(published, abs=1e-3)  # by Gauss-Hermite, 5e-4
    expected = solvers.evaluate(exponents, alpha=2, rho=rho, scheme=scheme)["dimension_exponent"]
    assert slope == pytest.approx(-expected.item(), abs=0.012)  # corrections at d of some hundred
    assert (data["certificate"] < 1e-9).all()


def test_exponents_are_those_of_cabannes_dohmatob_and_bietti():
    a, r = associative_memory.alpha, associative_memory.rho
    power = associative_memory.CAPACITY["power"]
    assert power.subs({a: 2, r: 1}) == sp.Rational(1, 4)
    assert sp.simplify(power.subs({a: 3, r: 1}) - sp.Rational(2, 6)) == 0
    assert associative_memory.CAPACITY["threshold"].subs(a, 2) == 1
    assert associative_memory.SAMPLES.subs(a, 2) == sp.Rational(1, 2)
    # the best power is the one at which the noise begins to grow with the number of tokens
    assert sp.limit((a - 1) / (2 * r * a), r, 1 / (2 * a)) == a - 1
    data = solvers.evaluate(exponents, alpha=[1.5, 3.0], rho=[0.1, 1.0])
    np.testing.assert_allclose(
        data["dimension_exponent"], [[np.nan, 1 / 6], [np.nan, 1 / 3]], rtol=1e-15
    )
    np.testing.assert_allclose(data["sample_exponent"].isel(rho=1), [1 / 3, 2 / 3], rtol=1e-15)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        ({"alpha": 1}, r"alpha = 1 is outside \(1, inf\)"),
        ({"dimension": 0.5}, r"dimension = 0.5 is outside \[1, inf\)"),
        ({"n_tokens": 3}, "n_tokens = 3 is below n_classes = 4"),
        ({"scheme": "top"}, r"scheme = 'top' is not one of \('power', 'threshold'\)"),
        ({"scheme": "threshold"}, r"kept = 0 is outside \[1, 20\], the number of tokens"),
        ({"scheme": "threshold", "kept": 21}, r"kept = 21 is outside \[1, 20\]"),
        ({"embedding": "cube"}, r"embedding = 'cube' is not one of \('sphere', 'gaussian'\)"),
        ({"rho": -1}, r"rho = -1 is outside \[0, inf\)"),
    ],
)
def test_bad_input_gets_one_sentence(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        solvers.evaluate(
            infinite_data, **{"alpha": 2, "dimension": 8, "n_tokens": 20, "n_classes": 4} | wrong
        )


@pytest.mark.parametrize(
    "counts, sentence",
    [
        ([[1, 2, -1]], "counts must not be negative"),
        ([[1, 2, 0], [0, 0, 0]], "no draw of them be empty"),
    ],
)
def test_bad_counts_get_one_sentence(counts, sentence):
    with pytest.raises(ValueError, match=sentence):
        solvers.evaluate(finite_data, counts=counts, alpha=2, dimension=8, n_classes=2)


def test_strengths_must_store_something():
    with pytest.raises(ValueError, match="at least one of them be positive"):
        solvers.evaluate(
            retrieval, probability=[0.5, 0.5], strength=[0, 0], dimension=8, n_classes=2
        )
