"""The deterministic equivalent: public numbers, exact cases, equations, random matrices."""

import numpy as np
import pytest
from scipy.optimize import brentq

from thermolimit.theory.scaling import resolvent, spectra

SPECTRUM = spectra.power_law(0.7, 0.7, 2000)
D = 500


def plain(alpha, v):
    return np.arange(1.0, v + 1) ** (-2 * alpha)


def test_public_numbers():
    m = resolvent.m(spectra.power_law(0.7, 0.7, 400), 100, 0.02 + 0.01j)
    assert m == pytest.approx(0.9709913231266205 - 0.3656324940014825j, rel=1e-15)
    assert resolvent.tau(SPECTRUM, D) == pytest.approx(2782.4773118937924, rel=1e-14)
    F_0 = resolvent.irreducible_loss(SPECTRUM, D)
    assert F_0 == pytest.approx(0.0010085685773563089, rel=1e-14)
    norm = resolvent.kernel_norm(SPECTRUM, D, 0.2)
    assert norm == pytest.approx(0.32932302931643065, rel=1e-13)
    largest = resolvent.largest_step_size(SPECTRUM, D)
    assert largest == pytest.approx(0.4875467364451371, rel=1e-13)


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("d", [10, 1000])
def test_m_solves_its_equation_anywhere_in_the_plane(alpha, d):
    rng = np.random.default_rng(0)
    v = 3 * d
    z = 10 ** rng.uniform(-2 * alpha * np.log10(d) - 3, 1, 200) * np.exp(
        1j * rng.uniform(np.pi / 4, 7 * np.pi / 4, 200)
    )
    m = resolvent.m(spectra.power_law(alpha, 1.0, v), d, z)
    lam = plain(alpha, v)
    right = 1 / (1 + np.sum(lam / (lam * m[:, None] - z[:, None]), axis=1) / d)
    np.testing.assert_allclose(m, right, rtol=1e-12)
    # m = -z s(z), and the Stieltjes transform s of a density maps the upper half-plane to itself
    assert ((-m / z).imag * z.imag > 0).all()


def test_real_m_on_both_sides_of_the_spectrum():
    edge = resolvent.right_edge(SPECTRUM, D)
    left, right = -np.geomspace(1e-8, 1e3, 30), edge * np.array([1 + 1e-6, 1.1, 3.0, 1e6])
    m_left, m_right = resolvent.m(SPECTRUM, D, left), resolvent.m(SPECTRUM, D, right)
    assert ((m_left > 0) & (m_left < 1)).all()
    assert (np.diff(m_left) > 0).all()
    assert (m_right > 1).all()
    assert (np.diff(m_right) < 0).all()
    above = resolvent.m(SPECTRUM, D, left * (1 - 1e-12j))  # the same from the complex plane
    np.testing.assert_allclose(above, m_left, rtol=1e-11)


@pytest.mark.parametrize("ratio", [1.2, 4.0])
def test_equal_eigenvalues_are_a_wishart_matrix(ratio):
    d = 1000
    v = int(ratio * d)
    spectrum = spectra.given(np.ones(v), np.ones(v))
    edges = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2  # Marchenko and Pastur 1967
    assert resolvent.left_edge(spectrum, d) == pytest.approx(edges[0], rel=1e-12)
    assert resolvent.right_edge(spectrum, d) == pytest.approx(edges[1], rel=1e-12)
    z = np.array([0.1, 1.0, 2.0, 6.0]) + 0.3j
    # m^2 + (v / d - 1 - z) m + z = 0, on the branch where -m / z is a Stieltjes transform
    b = ratio - 1 - z
    roots = np.stack([(-b + sign * np.sqrt(b**2 - 4 * z)) / 2 for sign in (1, -1)])
    physical = np.where((-roots[0] / z).imag > 0, roots[0], roots[1])
    np.testing.assert_allclose(resolvent.m(spectrum, d, z), physical, rtol=1e-13)
    assert resolvent.tau(spectrum, d) == pytest.approx(1 / (ratio - 1), rel=1e-13)


def test_tau_and_limit_forcing_by_plain_sums():
    lam = plain(0.7, 2000)
    tau = brentq(lambda t: np.sum(lam * t / (1 + lam * t)) - D, 1, 1e9, xtol=1e-10, rtol=1e-15)
    assert resolvent.tau(SPECTRUM, D) == pytest.approx(tau, rel=1e-13)
    loss = np.sum(lam * lam / (1 + lam * tau))  # b_j^2 = lam_j for beta = alpha
    assert resolvent.irreducible_loss(SPECTRUM, D) == pytest.approx(loss, rel=1e-13)


def test_tau_is_the_slope_of_m_at_zero():
    z = -1e-9 / resolvent.tau(SPECTRUM, D)
    assert resolvent.m(SPECTRUM, D, z) / -z == pytest.approx(resolvent.tau(SPECTRUM, D), rel=1e-8)


def test_at_the_largest_step_size_the_norm_of_the_kernel_is_1():
    for batch in (1, 4):
        largest = resolvent.largest_step_size(SPECTRUM, D, batch)
        assert resolvent.kernel_norm(SPECTRUM, D, largest, batch) == pytest.approx(1, rel=1e-12)


def test_with_a_large_batch_the_largest_eigenvalue_limits_the_step_size():
    spectrum, d, batch = spectra.power_law(0.2, 0.9, 80), 20, 64
    largest = resolvent.largest_step_size(spectrum, d, batch)
    assert largest * (batch + 1) * resolvent.right_edge(spectrum, d) == pytest.approx(2, rel=1e-12)
    assert resolvent.kernel_norm(spectrum, d, largest * (1 - 1e-6), batch) < 1
    assert resolvent.kernel_norm(spectrum, d, largest * (1 + 1e-6), batch) == np.inf


def test_twice_the_inverse_trace_overestimates_the_largest_step_size():
    spectrum = spectra.power_law(1.0, 0.7, 800)
    assert 2 / spectrum.trace == pytest.approx(1.22, abs=5e-3)
    assert resolvent.largest_step_size(spectrum, 200) == pytest.approx(0.605, abs=5e-4)


def test_for_small_steps_the_norm_of_the_kernel_is_half_the_trace_times_the_step_size():
    norm = resolvent.kernel_norm(SPECTRUM, D, 1e-6)
    assert norm == pytest.approx(1e-6 * SPECTRUM.trace / 2, rel=1e-5)


def test_random_matrices_have_this_resolvent_and_these_edges():
    rng = np.random.default_rng(1)
    d, v = 400, 1600
    lam = plain(0.4, v)
    W = rng.standard_normal((v, d)) / np.sqrt(d)
    found = np.linalg.eigvalsh((W.T * lam) @ W)
    spectrum = spectra.power_law(0.4, 1.0, v)
    z = -np.array([0.003, 0.03, 0.3])
    s = np.mean(1 / (found - z[:, None]), axis=1)
    # linear statistics fluctuate by O(1 / d); eigenvalues at the edge by O(d^(-2/3))
    np.testing.assert_allclose(-z * s, resolvent.m(spectrum, d, z), rtol=4 / d)
    left, right = resolvent.left_edge(spectrum, d), resolvent.right_edge(spectrum, d)
    assert found[0] == pytest.approx(left, rel=4 * d ** (-2 / 3))
    assert found[-1] == pytest.approx(right, rel=4 * np.sqrt(2 / d))  # one feature's own norm


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: resolvent.tau(SPECTRUM, 2000), "dimension = 2000 must be"),
        (lambda: resolvent.m(SPECTRUM, 0, -1.0), "dimension = 0 must be"),
        (
            lambda: resolvent.m(SPECTRUM, D, [-1.0, 0.5]),
            "z = 0.5 lies between 0 and the right edge",
        ),
    ],
)
def test_bad_input_is_told(call, told):
    with pytest.raises(ValueError, match=told):
        call()
