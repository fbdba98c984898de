"""A convolution Volterra equation has one solution, in closed form for simple kernels."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr

from thermolimit.solvers import ConvergenceError, ConvergenceWarning, Status
from thermolimit.solvers.volterra import direct, newton, solve_volterra

METHODS = ("direct", "newton")
ROUNDING = 2e-14  # of the largest value; the sum of the kernel stays below 0.9 where it is used

# one-pass SGD in the basis of its features, exact at finite size (arXiv:2405.15074)
EIGENVALUES = np.arange(1, 11) ** -1.4
WEIGHTS = np.arange(1, 11) ** -2.6
IRREDUCIBLE = 0.01


def over_steps(values):
    return xr.DataArray(np.asarray(values), dims="step")


def solution(forcing, kernel, method):
    data = solve_volterra(over_steps(forcing), over_steps(kernel), method=method)
    assert data["status"] == Status.OK
    return data["solution"].values


def loss_and_memory(steps, learning_rate, batch=1):
    """Forcing and kernel of one-pass SGD, and its factors of decay q."""
    g, B, lam = learning_rate, batch, EIGENVALUES
    q = 1 - 2 * g * B * lam + g**2 * B * (B + 1) * lam**2
    power = q ** np.arange(steps)[:, None]
    return IRREDUCIBLE + power @ WEIGHTS, g**2 * B * power @ lam**2, q


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.1, -0.3, 0.0, 1.0])
def test_under_a_constant_kernel_a_constant_forcing_grows_geometrically(method, value):
    steps = np.arange(40)  # P(r) = 1 + c sum_{k<r} P(k), hence P(r+1) = (1 + c) P(r)
    found = solution(np.ones(40), np.full(40, value), method)
    np.testing.assert_allclose(found, (1 + value) ** steps, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("a, b", [(0.2, 0.5), (0.3, 0.9), (-0.3, 0.8), (0.05, 0.9)])
def test_under_a_geometric_kernel_a_constant_forcing_has_one_exponential(method, a, b):
    """K(r) = a b^r: 1 - x K = (1 - (a+b) x) / (1 - b x), and F = 1 / (1 - x); partial fractions."""
    steps = np.arange(300)
    found = solution(np.ones(300), a * b**steps, method)
    exact = (1 - b - a * (a + b) ** steps) / (1 - a - b)
    np.testing.assert_allclose(found, exact, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_response_to_one_kick_is_the_resolvent(method):
    """F = 1, 0, 0, ... and K(r) = a b^r: P = 1, a, a (a+b), a (a+b)^2, ..."""
    a, b, steps = 0.2, 0.7, np.arange(100)
    found = solution(np.eye(100)[0], a * b**steps, method)
    exact = np.concatenate([[1.0], a * (a + b) ** steps[:-1]])
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_without_memory_the_solution_is_the_forcing(method):
    forcing = np.cos(np.arange(50.0))
    np.testing.assert_allclose(solution(forcing, np.zeros(50), method), forcing, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_one_step_has_no_memory(method):
    assert solution([2.5], [7.0], method).tolist() == [2.5]


@pytest.mark.parametrize("method", METHODS)
def test_the_solution_is_linear_in_the_forcing(method):
    steps = np.arange(64)
    kernel = 0.3 * np.exp(-0.7 * steps)
    first, second = np.cos(steps), 1 / (1.0 + steps)
    parts = 2 * solution(first, kernel, method) - 3 * solution(second, kernel, method)
    np.testing.assert_allclose(solution(2 * first - 3 * second, kernel, method), parts, atol=1e-14)


@hypothesis.settings(max_examples=200, deadline=None, derandomize=True)
@hypothesis.given(
    pairs=st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=40),
    total=st.floats(0, 0.9),
)
def test_both_methods_agree_on_any_summable_kernel(pairs, total):
    forcing, kernel = np.array(pairs).T
    kernel = total * kernel / max(np.abs(kernel).sum(), 1)
    expected = direct(forcing, kernel)
    # |F| <= 1 and |P| <= 1 / (1 - 0.9): the natural unit is 1
    np.testing.assert_allclose(newton(forcing, kernel), expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("learning_rate, batch", [(0.3, 1), (0.1, 4), (0.5, 1)])
def test_both_methods_agree_on_the_loss_of_sgd(learning_rate, batch):
    forcing, kernel, _ = loss_and_memory(3000, learning_rate, batch)
    assert kernel.sum() < 0.9
    expected = direct(forcing, kernel)
    np.testing.assert_allclose(newton(forcing, kernel), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_of_sgd_on_an_explicit_spectrum_has_its_known_digits(method):
    forcing, kernel, _ = loss_and_memory(1001, learning_rate=0.3)
    found = solution(forcing, kernel, method)[[1, 10, 1000]]
    known = [  # by two independent solvers
        0.9817205287906456,
        0.19580611620255634,
        0.016543786983958555,
    ]
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-15)


@pytest.mark.parametrize("batch", [1, 4])
def test_the_loss_of_sgd_follows_its_state_recursion(batch):
    """s_i(r+1) = q_i s_i(r) + gamma^2 B lam_i^2 P(r), P = P_inf + sum_i s_i."""
    rate, steps = 0.1, 500
    forcing, kernel, q = loss_and_memory(steps, rate, batch)
    state, loss = WEIGHTS, np.empty(steps)
    for r in range(steps):
        loss[r] = IRREDUCIBLE + state.sum()
        state = q * state + rate**2 * batch * EIGENVALUES**2 * loss[r]
    np.testing.assert_allclose(solution(forcing, kernel, "newton"), loss, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_a_loss_that_diverges_keeps_its_relative_precision_from_first_to_last_step(method):
    found = solution(np.ones(2000), np.full(2000, 0.1), method)  # up to 1.1^1999 = 5e82
    np.testing.assert_allclose(found, 1.1 ** np.arange(2000), rtol=1e-12)


def test_named_dimensions_broadcast_and_come_before_the_steps():
    curves = [loss_and_memory(100, rate)[:2] for rate in (0.1, 0.3)]
    forcing, kernel = (
        xr.DataArray(values, dims=("rate", "step"), coords={"rate": [0.1, 0.3]})
        for values in map(np.array, zip(*curves, strict=True))
    )
    scale = xr.DataArray([1.0, 10.0], dims="scale", coords={"scale": [1, 10]})
    data = solve_volterra(forcing.transpose("step", "rate"), kernel * scale)
    assert data["solution"].dims == ("rate", "scale", "step")
    assert data["residual"].dims == data["status"].dims == ("rate", "scale")
    assert data["step"].values.tolist() == list(range(100))
    alone = solution(curves[1][0], 10 * curves[1][1], "newton")
    # bit for bit: a curve does not depend on what is solved next to it
    np.testing.assert_array_equal(data["solution"].sel(rate=0.3, scale=10), alone)


def test_the_residual_is_at_rounding_and_bounds_the_error():
    a, b, steps = 0.05, 0.9, np.arange(500)
    data = solve_volterra(over_steps(np.ones(500)), over_steps(a * b**steps))
    exact = (1 - b - a * (a + b) ** steps) / (1 - a - b)
    assert data["residual"] < 1e-14
    error = np.abs(data["solution"] - exact).max()
    # the residual is itself a sum with rounding
    bound = (data["residual"] + 1e-16) * (1 + exact.max()) / (1 - a / (1 - b))
    assert error <= bound


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["forcing", "kernel"])
def test_nan_masks_its_own_curve_and_no_other(method, name):
    given = {"forcing": np.ones((2, 8)), "kernel": np.full((2, 8), 0.1)}
    given[name][0, 3] = np.nan
    arrays = {key: xr.DataArray(value, dims=("curve", "step")) for key, value in given.items()}
    with pytest.warns(ConvergenceWarning, match="1 NOT_FINITE of 2 points"):
        data = solve_volterra(**arrays, method=method)
    assert data["status"].values.tolist() == [Status.NOT_FINITE, Status.OK]
    assert np.isnan(data["solution"][0]).all()
    np.testing.assert_allclose(data["solution"][1], 1.1 ** np.arange(8), rtol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_overflow_is_not_finite(method):
    curve, kernel = over_steps(np.ones(2000)), over_steps(np.full(2000, 0.5))  # 1.5^1999 = 1e352
    data = solve_volterra(curve, kernel, method=method, on_failure="keep")
    assert data["status"] == Status.NOT_FINITE
    with pytest.raises(ConvergenceError, match="1 NOT_FINITE"):
        solve_volterra(curve, kernel, method=method, on_failure="raise")


def test_what_newton_loses_under_an_alternating_memory_it_does_not_call_solved():
    """K = -1.3, 0, 0, ...: P = sum of (-1.3)^k, which 1000 steps take to 1e113."""
    steps = np.arange(1000)
    forcing, kernel = over_steps(np.ones(1000)), over_steps(-1.3 * (steps == 0))
    fast = solve_volterra(forcing, kernel, on_failure="keep")
    assert fast["status"] == Status.NOT_CONVERGED
    slow = solution(np.ones(1000), -1.3 * (steps == 0), "direct")
    np.testing.assert_allclose(slow, (1 - (-1.3) ** (steps + 1)) / 2.3, rtol=1e-12)


@pytest.mark.parametrize(
    "forcing, kernel, error, sentence",
    [
        ([1.0], over_steps([1.0]), TypeError, "forcing is a list; give an xarray.DataArray"),
        (
            over_steps([1.0]),
            xr.DataArray([1.0], dims="time"),
            ValueError,
            r"kernel has the dimensions \('time',\); one of them must be 'step'",
        ),
        (
            over_steps([1.0, 2.0]).assign_coords(step=[1, 2]),
            over_steps([1.0, 2.0]),
            ValueError,
            r"forcing has step = \[1 2\]; the steps must be 0, 1, 2, ...",
        ),
        (
            over_steps([1.0, 2.0]),
            over_steps([1.0, 2.0, 3.0]),
            ValueError,
            "forcing has 2 steps and kernel 3; they must have the same",
        ),
        (over_steps([]), over_steps([]), ValueError, r"forcing has step = \[\]"),
        (
            over_steps([1j]),
            over_steps([1.0]),
            ValueError,
            "forcing is an array of complex128; only real numbers are allowed",
        ),
    ],
)
def test_bad_input_gets_one_sentence(forcing, kernel, error, sentence):
    with pytest.raises(error, match=sentence):
        solve_volterra(forcing, kernel)


def test_an_unknown_method_gets_one_sentence():
    with pytest.raises(ValueError, match="method = 'fft' is not one of \\('direct', 'newton'"):
        solve_volterra(over_steps([1.0]), over_steps([1.0]), method="fft")  # type: ignore


def test_axes_of_forcing_and_kernel_must_agree():
    forcing = xr.DataArray(np.ones((2, 3)), dims=("rate", "step"), coords={"rate": [0.1, 0.2]})
    with pytest.raises(ValueError, match="rate"):
        solve_volterra(forcing, forcing.assign_coords(rate=[0.1, 0.3]))
