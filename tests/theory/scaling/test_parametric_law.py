"""The parametric law on data that obey it, on noisy ones, and on random features in phase Ia."""

from __future__ import annotations

import numpy as np
import pytest

from thermolimit.theory.scaling import frontier, parametric_law

SIZE, DATA = (x.ravel() for x in np.meshgrid(np.geomspace(1e2, 1e5, 8), np.geomspace(1e3, 1e7, 10)))
TRUTH = {"size_amplitude": 5.0, "data_amplitude": 20.0, "size_exponent": 0.5, "data_exponent": 0.4}


def law(limit):
    a, b = TRUTH["size_exponent"], TRUTH["data_exponent"]
    return limit + TRUTH["size_amplitude"] * SIZE**-a + TRUTH["data_amplitude"] * DATA**-b


@pytest.mark.parametrize("limit", [0.0, 0.3])
def test_exact_data_give_back_their_law(limit):
    found = parametric_law.fit(SIZE, DATA, law(limit))
    assert found.limit.value == pytest.approx(limit, abs=1e-8)
    for name, value in TRUTH.items():
        assert getattr(found, name).value == pytest.approx(value, rel=1e-6)
    assert found.dimension_exponent.value == pytest.approx(0.4 / 0.9, rel=1e-6)
    assert found.loss_exponent.value == pytest.approx(0.5 * 0.4 / 0.9, rel=1e-6)
    np.testing.assert_allclose(parametric_law.loss(found, SIZE, DATA), law(limit), rtol=1e-7)


def test_units_only_change_the_coefficients():
    plain = parametric_law.fit(SIZE, DATA, law(0.3))
    scaled = parametric_law.fit(100 * SIZE, DATA / 7, 1e3 * law(0.3))
    assert scaled.limit.value == pytest.approx(1e3 * plain.limit.value)
    assert scaled.size_amplitude.value == pytest.approx(1e3 * 5 * 100**0.5)
    assert scaled.data_amplitude.value == pytest.approx(1e3 * 20 * 7**-0.4)
    assert scaled.size_exponent.value == pytest.approx(plain.size_exponent.value)


def test_the_implied_exponents_are_those_of_the_best_size():
    found = parametric_law.fit(SIZE, DATA, law(0.3))
    compute = np.geomspace(1e8, 1e10, 5)
    best = frontier.minimum(
        lambda N, f: parametric_law.loss(found, N, f / N) - 0.3, compute, largest=1e7
    )
    log_f = np.log(compute)
    # the best size is located to 1e-3 in its logarithm
    xi = np.polyfit(log_f, np.log(best.optimal_dimension), 1)[0]
    eta = -np.polyfit(log_f, np.log(best.optimal_loss), 1)[0]
    assert xi == pytest.approx(found.dimension_exponent.value, abs=1e-3)
    assert eta == pytest.approx(found.loss_exponent.value, abs=1e-5)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, trials = np.random.default_rng(0), 40
    names = ("size_exponent", "data_exponent", "size_amplitude", "data_amplitude")
    covered = 0
    for _ in range(trials):
        noisy = law(0.3) * np.exp(0.02 * rng.normal(size=SIZE.shape))
        found = parametric_law.fit(SIZE, DATA, noisy, level=0.8)
        intervals = [getattr(found, name) for name in names]
        covered += sum(
            x.lower <= TRUTH[name] <= x.upper for name, x in zip(names, intervals, strict=True)
        )
    # 160 intervals in 40 fits; those of one fit go together: standard deviation below 0.064
    assert covered / (trials * len(names)) == pytest.approx(0.8, abs=3 * 0.064)


def test_outliers_move_a_robust_fit_less_than_its_interval():
    rng = np.random.default_rng(1)
    noisy = law(0.3) * np.exp(0.01 * rng.normal(size=SIZE.shape))
    noisy[[3, 41, 70]] *= 2
    found = parametric_law.fit(SIZE, DATA, noisy, level=0.99)
    for name, value in TRUTH.items():
        assert getattr(found, name).lower <= value <= getattr(found, name).upper


@pytest.mark.slow
def test_on_random_features_in_phase_ia_the_exponents_are_those_of_the_theory():
    # F_0 ~ d^-s and F_pp ~ r^(-s / 2 alpha) with s = 2 alpha + 2 beta - 1; the loss is their sum
    alpha, beta = 1.0, 0.25
    s = 2 * alpha + 2 * beta - 1
    d, r = np.geomspace(100, 3000, 6), np.geomspace(100, 1e6, 12)
    loss = np.stack([frontier.at_flops(alpha, beta, size, size * r).loss for size in d])
    size, data = (x.ravel() for x in np.meshgrid(d, r, indexing="ij"))
    found = parametric_law.fit(size, data, loss.ravel())
    # corrections to the powers at these sizes: the accuracy that such data have
    assert found.size_exponent.value == pytest.approx(s, abs=0.05)
    assert found.data_exponent.value == pytest.approx(s / (2 * alpha), abs=0.03)
    assert found.dimension_exponent.value == pytest.approx(1 / (2 * alpha + 1), abs=0.03)
    assert found.loss_exponent.value == pytest.approx(s / (2 * alpha + 1), abs=0.03)
    assert found.limit.value < 0.1 * loss.min()


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"size": -SIZE}, "size = -100 is not a positive number"),
        ({"measured": 0 * SIZE}, "loss = 0 is not a positive number"),
        ({"data": DATA[:5]}, "must be equally many, and at least 6"),
    ],
)
def test_what_has_no_logarithm_is_refused(change, sentence):
    given = {"size": SIZE, "data": DATA, "measured": law(0.3)} | change
    with pytest.raises(ValueError, match=sentence):
        parametric_law.fit(**given)
