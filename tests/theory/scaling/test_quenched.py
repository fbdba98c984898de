"""The mean loss for a given W, by four routes that share only the definitions."""

import numpy as np
import pytest
import xarray as xr

from thermolimit import solvers
from thermolimit.theory.scaling import contour, quenched, spectra

EXPLICIT = np.arange(1.0, 11.0) ** -1.4, np.arange(1.0, 11.0) ** -2.6, 0.01
ROUNDING = 1e-12


def drawn(alpha=0.7, beta=0.7, d=40, v=160, seed=0):
    """A W with its variances and target, and its modes."""
    j = np.arange(1.0, v + 1)
    W = np.random.default_rng(seed).standard_normal((v, d)) / np.sqrt(d)
    return W, j ** (-2 * alpha), j**-beta, quenched.modes(W, j ** (-2 * alpha), j**-beta)


def by_recursion(modes, gamma, B, step):
    updates = int(step[-1])
    return quenched.scheduled_loss(
        modes[0], modes[1], np.full(updates, gamma), np.full(updates, float(B)), modes[2], step=step
    ).loss


def test_published_values_of_an_explicit_spectrum():
    step = np.array([1.0, 10.0, 1000.0])
    # lam_i = i^-1.4, w_i = i^-2.6, P_inf = 0.01, gamma = 0.3, B = 1; digits by another program
    known = [0.9817205287906456, 0.19580611620255634, 0.016543786983958555]
    assert quenched.loss(*EXPLICIT, 0.3, step=step).loss == pytest.approx(known, rel=1e-14)
    assert by_recursion(EXPLICIT, 0.3, 1, step) == pytest.approx(known, rel=1e-14)


@pytest.mark.parametrize("B", [1, 4, 64])
@pytest.mark.parametrize("alpha", [0.3, 0.7, 2.0])
def test_partial_fractions_agree_with_the_recursion(alpha, B):
    modes = drawn(alpha)[-1]
    gamma = 0.8 * quenched.stability(modes.eigenvalues, 1e-3, B).largest_step_size
    step = np.unique(np.round(np.geomspace(1, 20_000, 40)))
    assert quenched.loss(*modes, gamma, B, step=step).loss == pytest.approx(
        by_recursion(modes, gamma, B, step), rel=ROUNDING
    )


@pytest.mark.parametrize("B", [1, 4])
def test_partial_fractions_solve_the_volterra_equation(B):
    modes = drawn()[-1]
    step = np.arange(2000.0)
    table = solvers.evaluate(
        quenched.volterra, **modes._asdict(), step_size=0.15, batch=B, step=step
    ).assign_coords(step=np.arange(2000))
    solved = solvers.solve_volterra(table["forcing"], table["kernel"], method="direct")
    curve = solvers.evaluate(quenched.loss, **modes._asdict(), step_size=0.15, batch=B, step=step)
    assert np.allclose(solved["solution"], curve["loss"].values, rtol=ROUNDING, atol=0)


def test_one_step_by_the_definition_of_the_moments():
    """E P(theta_1) from E a a^T a a^T, without eigenvectors or theta*."""
    W, variances, b, modes = drawn(d=5, v=12)
    gamma, B, D = 0.1, 3, np.diag(variances)
    K, c, y2 = W.T @ D @ W, W.T @ D @ b, b @ D @ b
    # theta_1 = gamma sum a_i y_i, with E [a y] = c and E [a a^T y^2] = K y2 + 2 c c^T
    second = gamma**2 * (B * (K * y2 + 2 * np.outer(c, c)) + B * (B - 1) * np.outer(c, c))
    expected = y2 - 2 * gamma * B * (c @ c) + np.trace(K @ second)
    found = quenched.loss(*modes, gamma, B, step=np.array([0.0, 1.0])).loss
    assert found == pytest.approx([y2, expected], rel=ROUNDING)


def test_loss_begins_at_that_of_the_target():
    variances, b, modes = drawn(alpha=1.2, d=200, v=800)[1:]
    begun = quenched.loss(*modes, 0.3, step=np.zeros(1)).loss[0]
    assert begun == pytest.approx(variances @ b**2, rel=1e-13)


def test_minimum_is_that_of_least_squares():
    W, variances, b, modes = drawn()
    root = np.sqrt(variances)
    rest = np.linalg.lstsq(root[:, None] * W, root * b)[1]
    assert modes.irreducible_loss == pytest.approx(rest[0], rel=1e-10)


@pytest.mark.parametrize("fraction", [0.1, 0.9, 0.999])
def test_limit_is_the_irreducible_loss_amplified_by_the_kernel(fraction):
    modes = drawn(alpha=1.0)[-1]
    gamma = fraction * quenched.stability(modes.eigenvalues, 1e-3).largest_step_size
    norm = quenched.stability(modes.eigenvalues, gamma).kernel_norm
    limit = quenched.loss(*modes, gamma, step=np.array([1e16])).loss[0]
    assert limit == pytest.approx(modes.irreducible_loss / (1 - norm), rel=ROUNDING)


def test_norm_of_the_kernel_is_its_sum():
    lam, w, P_inf = EXPLICIT
    kernel = quenched.volterra(lam, w, P_inf, 0.3, step=np.arange(3000.0)).kernel
    assert quenched.stability(lam, 0.3).kernel_norm == pytest.approx(kernel.sum(), rel=1e-13)


def test_at_the_largest_step_size_the_loss_grows_linearly():
    """At ||K|| = 1 the mean loss grows by the same amount per step, and above it exponentially."""
    lam, w, P_inf = EXPLICIT
    largest = quenched.stability(lam, 0.3).largest_step_size
    step = np.array([2000.0, 4000.0, 6000.0])
    P = by_recursion(EXPLICIT, largest, 1, step)
    assert P[2] - P[1] == pytest.approx(P[1] - P[0], rel=1e-6)
    assert P[1] - P[0] > 0
    P = by_recursion(EXPLICIT, 1.02 * largest, 1, step)
    assert P[2] / P[1] == pytest.approx(P[1] / P[0], rel=1e-3)


def test_equal_eigenvalues_are_one_mode():
    step = np.geomspace(1, 1e4, 9).round()
    many = quenched.loss(np.full(6, 0.5), np.arange(6.0), 0.1, 0.2, 2, step=step).loss
    assert many == pytest.approx(
        by_recursion((np.full(6, 0.5), np.arange(6.0), 0.1), 0.2, 2, step), rel=ROUNDING
    )


def test_nothing_moves_at_step_size_zero():
    lam, w, P_inf = EXPLICIT
    step_sizes = np.r_[np.full(50, 0.3), np.zeros(50)]
    P = quenched.scheduled_loss(
        lam, w, step_sizes, np.ones(100), P_inf, step=np.array([50.0, 75.0, 100.0])
    ).loss
    assert P == pytest.approx(
        np.full(3, quenched.loss(*EXPLICIT, 0.3, step=np.array([50.0])).loss[0])
    )


def test_small_steps_follow_gradient_flow_whatever_the_batch():
    lam, w, P_inf = EXPLICIT
    gamma, time = 1e-5, 5.0
    flow = P_inf + w @ np.exp(-2 * lam * time)
    for B in (1, 10):
        step = np.array([time / (gamma * B)])
        assert quenched.loss(*EXPLICIT, gamma, B, step=step).loss == pytest.approx(flow, rel=2e-4)


@pytest.mark.parametrize("B", [1, 16])
def test_an_unstable_step_size_is_refused_with_the_largest_stable_one(B):
    largest = quenched.stability(EXPLICIT[0], 0.1, B).largest_step_size
    with pytest.raises(ValueError, match=f"largest stable one is {largest:.6g}"):
        quenched.loss(*EXPLICIT, 1.001 * largest, B, step=np.ones(1))
    quenched.loss(*EXPLICIT, 0.999 * largest, B, step=np.ones(1))


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="second must be below the first"):
        quenched.modes(np.ones((5, 5)), np.ones(5), np.ones(5))
    with pytest.raises(ValueError, match="beyond the 3 step_sizes"):
        quenched.scheduled_loss(*EXPLICIT[:2], np.ones(3), np.ones(3), 0.1, step=np.array([4.0]))
    with pytest.raises(ValueError, match=r"eigenvalues = -1 is outside \(0, inf\)"):
        solvers.evaluate(
            quenched.loss, eigenvalues=[-1.0], weights=[1.0], irreducible_loss=0.1,
            step_size=0.1, step=[1.0],
        )  # fmt: skip


def test_evaluated_over_step_sizes_and_batches():
    data = solvers.evaluate(
        quenched.loss, eigenvalues=EXPLICIT[0], weights=EXPLICIT[1], irreducible_loss=EXPLICIT[2],
        step_size=[0.05, 0.1], batch=[1, 2], step=[1.0, 1e6],
    )  # fmt: skip
    assert dict(data["loss"].sizes) == {"step_size": 2, "batch": 2, "step": 2}
    one = quenched.loss(*EXPLICIT, 0.1, 2, step=np.array([1.0, 1e6])).loss
    xr.testing.assert_allclose(
        data["loss"].sel(step_size=0.1, batch=2), data["loss"][1, 1].copy(data=one), rtol=1e-15
    )


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.7, 1.0])
def test_mean_over_features_is_the_deterministic_equivalent_up_to_one_over_d(alpha):
    """The equivalent is below the mean by less than 3.5 / d of it, from the tenth step on."""
    beta, d, draws = 0.7, 25, 3000
    j, step = np.arange(1.0, 4 * d + 1), np.array([10.0, 1e3, 1e5, 1e16])
    gamma = 0.25 / np.sum(j ** (-2 * alpha))
    equivalent = contour.loss_curve(spectra.power_law(alpha, beta, 4 * d), d, gamma, 1, step).loss
    ratio = (
        np.array(
            [
                quenched.loss(*drawn(alpha, beta, d, 4 * d, seed)[-1], gamma, step=step).loss
                for seed in range(draws)
            ]
        )
        / equivalent
    )
    bias, error = ratio.mean(axis=0) - 1, ratio.std(axis=0) / draws**0.5
    assert (bias > 0).all()
    assert (bias + 4 * error < 3.5 / d).all()
