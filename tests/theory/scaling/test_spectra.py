"""Rules for sums over features, and spectra as measured."""

import numpy as np
import pytest

from thermolimit.theory.scaling import spectra

SUMS = {
    "power": lambda lam, b: lam * b**2,
    "trace": lambda lam, b: lam,
    "resolvent on the contour": lambda lam, b: (lam / (lam - 1e-5 * np.exp(1j * np.pi / 6))).real,
    "irreducible loss": lambda lam, b: lam * b**2 / (1 + 3e4 * lam),
}


@pytest.mark.parametrize("n_features", [5, 31, 32, 60, 100, 1000, 65536, 100003])
@pytest.mark.parametrize("summand", SUMS.values(), ids=SUMS)
@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.7])
def test_a_block_rule_is_the_sum_over_all_features(alpha, summand, n_features):
    nodes = spectra.power_law(alpha, 0.6, n_features)
    j = np.arange(1.0, n_features + 1)
    plain = np.sum(summand(j ** (-2 * alpha), j**-0.6))
    assert nodes.weights @ summand(nodes.eigenvalues, nodes.target) == pytest.approx(
        plain, rel=1e-13
    )
    assert nodes.n_features == pytest.approx(n_features, rel=1e-14)


def test_ten_million_features_are_500_nodes():
    assert len(spectra.power_law(0.7, 0.7, 10**7).weights) <= 500


def test_the_first_features_are_nodes_of_their_own():
    nodes = spectra.power_law(1.0, 0.5, 10**6)
    np.testing.assert_array_equal(nodes.weights[:31], 1.0)
    np.testing.assert_array_equal(nodes.eigenvalues[:31], np.arange(1.0, 32) ** -2.0)


def test_a_measured_spectrum_may_come_in_any_order():
    lam, b = np.array([0.1, 1.0, 0.5]), np.array([3.0, -1.0, 2.0])
    found = spectra.given(lam, b)
    np.testing.assert_array_equal(found.eigenvalues, [1.0, 0.5, 0.1])
    np.testing.assert_array_equal(found.powers, [1.0, 2.0, 0.9])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: spectra.power_law(0.2, 0.3, 10), r"alpha \+ beta = 0.5 must be above 1/2"),
        (lambda: spectra.power_law(-1.0, 3.0, 10), "alpha = -1 is not positive"),
        (lambda: spectra.power_law(1.0, 1.0, 2.5), "n_features = 2.5 is not a whole number"),
        (lambda: spectra.given([1.0, 0.0], [1.0, 1.0]), "eigenvalue 0 is not positive"),
        (lambda: spectra.given([1.0, 0.5], [1.0]), r"\(2,\) and target \(1,\) must be equally"),
        (lambda: spectra.given([1.0, np.nan], [1.0, 1.0]), "must be finite"),
    ],
)
def test_bad_input_is_told(call, told):
    with pytest.raises(ValueError, match=told):
        call()
