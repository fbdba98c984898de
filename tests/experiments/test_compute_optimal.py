"""Frontiers of curves that are known: exact power laws, records with gaps, noisy replicas."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from thermolimit.experiments import compute_optimal
from thermolimit.experiments.compute_optimal import envelope, exponents, isoflop, local_exponents

A, B = 0.8, 0.6  # P = d^-A + (f / d)^-B
ETA, XI = A * B / (A + B), B / (A + B)


def curves(sizes, flops):
    """P on a grid."""
    d = xr.DataArray(sizes, {"dimension": sizes}, ["dimension"])
    f = xr.DataArray(flops, {"flops": flops}, ["flops"])
    return d**-A + (f / d) ** -B


def best_dimension(f):
    return (A / B * f**B) ** (1 / (A + B))


FLOPS = np.geomspace(1e6, 1e9, 13)
FINE = np.geomspace(1e1, 1e6, 101)  # a factor of 1.12


def test_the_vertex_of_a_parabola_is_exact_for_a_parabola():
    d = xr.DataArray(2.0 ** np.arange(10), dims="dimension")
    d = d.assign_coords(dimension=d.values)
    f = xr.DataArray(FLOPS, {"flops": FLOPS}, ["flops"])
    center = np.log(f) / 4
    loss = np.exp(0.1 * (np.log(d) - center) ** 2 - 0.3 * np.log(f))
    for points in (3, 5):
        found = isoflop(loss, points=points)
        np.testing.assert_allclose(found["optimal_dimension"], FLOPS**0.25, rtol=1e-10)
        np.testing.assert_allclose(found["optimal_loss"], FLOPS**-0.3, rtol=1e-10)


def test_on_a_fine_grid_all_measures_find_the_exponents_of_power_laws():
    loss = curves(FINE, FLOPS)
    step = np.log(FINE[1] / FINE[0])
    exact = best_dimension(FLOPS)
    for front, allowed in ((isoflop(loss), step**2), (envelope(loss), step)):
        # in log d: a parabola is wrong in the third order, the envelope by one step
        assert (abs(np.log(front["optimal_dimension"] / exact)) < allowed).all()
        fit = exponents(front)
        assert fit["loss_exponent"].item() == pytest.approx(ETA, abs=1e-3)
        assert fit["dimension_exponent"].item() == pytest.approx(XI, abs=allowed)


def test_a_parabola_through_points_far_away_is_refused():
    loss = curves(FINE, FLOPS)
    with pytest.raises(ValueError, match="points = 101 is not 3 or 5"):
        isoflop(loss, points=101)


@pytest.mark.parametrize("measure", [envelope, isoflop])
def test_a_minimum_at_an_end_is_left_out(measure):
    sizes = FINE[(FINE > 3e3) & (FINE < 3e4)]
    found = measure(curves(sizes, FLOPS))
    inside = (best_dimension(FLOPS) > sizes[1]) & (best_dimension(FLOPS) < sizes[-2])
    assert inside.any() and not inside.all()
    assert np.isfinite(found["optimal_loss"])[inside].all()
    outside = (best_dimension(FLOPS) < sizes[0]) | (best_dimension(FLOPS) > sizes[-1])
    assert np.isnan(found["optimal_dimension"])[outside].all()


def test_the_end_is_that_of_the_curves_that_exist():
    loss = curves(FINE, FLOPS)
    enough = FINE[:, None] >= 1.5 * best_dimension(FLOPS)
    found = isoflop(loss.where(xr.DataArray(enough, dims=("dimension", "flops"))))
    assert np.isnan(found["optimal_loss"]).all()


def test_the_order_of_the_dimensions_does_not_matter():
    loss = curves(FINE, FLOPS)
    mixed = loss.isel(dimension=np.random.default_rng(0).permutation(len(FINE)))
    xr.testing.assert_identical(isoflop(loss), isoflop(mixed))


# curves that were recorded


def test_records_of_power_laws_are_interpolated_exactly():
    step, sizes, batch = np.geomspace(1, 1e5, 30), np.array([10.0, 30.0, 90.0]), 4
    r = xr.DataArray(step, {"step": step}, ["step"])
    d = xr.DataArray(sizes, {"dimension": sizes}, ["dimension"])
    flops = np.geomspace(1e3, 1e8, 40)
    found = compute_optimal.at_flops(r**-0.7 / d, flops, batch=batch)
    wanted = flops[None] / (sizes[:, None] * batch)
    known = (wanted >= 10) & (wanted <= 1e5)
    np.testing.assert_array_equal(np.isfinite(found.transpose("dimension", "flops")), known)
    expected = wanted**-0.7 / sizes[:, None]
    np.testing.assert_allclose(found.values[known], expected[known], rtol=1e-12)


def test_step_zero_has_no_logarithm_and_is_not_needed():
    loss = xr.DataArray(
        [[1.0, 0.5, 0.25]], {"dimension": [10], "step": [0, 10, 40]}, ["dimension", "step"]
    )
    found = compute_optimal.at_flops(loss, np.array([50.0, 200.0]))
    np.testing.assert_allclose(found.values, [[np.nan, 0.5 / np.sqrt(2)]])


# exponents


def test_errors_of_the_exponents_are_those_of_a_regression():
    rng = np.random.default_rng(1)
    log_f = np.log(FLOPS)
    y, x = rng.normal(size=(2, len(FLOPS)))
    front = xr.Dataset(
        {"optimal_loss": ("flops", np.exp(y)), "optimal_dimension": ("flops", np.exp(x))},
        {"flops": FLOPS},
    )
    fit = exponents(front)
    for name, values, sign in (("loss", y, -1), ("dimension", x, 1)):
        slope, covariance = np.polyfit(log_f, values, 1, cov=True)
        assert fit[f"{name}_exponent"].item() == pytest.approx(sign * slope[0])
        error = fit[f"{name}_exponent_error"].item()
        assert error == pytest.approx(np.sqrt(covariance[0, 0]))


def test_local_exponents_follow_a_slope_that_changes():
    f = np.geomspace(1e4, 1e10, 61)
    log = np.log(f)
    front = xr.Dataset(
        {
            "optimal_loss": ("flops", np.exp(-0.01 * log**2)),  # eta = 0.02 log f
            "optimal_dimension": ("flops", f**0.5),
        },
        {"flops": f},
    )
    front["optimal_loss"][0] = np.nan
    found = local_exponents(front, window=5)
    assert np.isnan(found["loss_exponent"][0])
    middle = found["flops"].values[1:]
    np.testing.assert_allclose(middle, f[3:-2])
    # the slope of a parabola on a symmetric window is that in its middle
    np.testing.assert_allclose(found["loss_exponent"][1:], 0.02 * np.log(middle), rtol=1e-10)
    np.testing.assert_allclose(found["dimension_exponent"][1:], 0.5, rtol=1e-10)


def test_fewer_than_two_points_have_no_exponent():
    front = isoflop(curves(FINE, FLOPS)).isel(flops=slice(1))
    assert np.isnan(exponents(front)["loss_exponent"])


# intervals


def test_without_spread_the_interval_is_a_point():
    loss = curves(FINE[::5], FLOPS).expand_dims(replica=4)
    found = compute_optimal.bootstrap(loss, lambda loss: exponents(isoflop(loss)), resamples=5)
    for name in ("loss_exponent", "dimension_exponent"):
        for end in ("lower", "upper"):
            assert found[f"{name}_{end}"].item() == pytest.approx(found[name].item(), rel=1e-12)


def test_the_interval_of_a_mean_is_that_of_its_standard_error():
    rng = np.random.default_rng(2)
    loss = xr.DataArray(rng.normal(1, 0.1, (200, 3)), dims=("replica", "dimension"))
    loss = loss.assign_coords(dimension=[1, 2, 3])
    found = compute_optimal.bootstrap(
        loss, lambda loss: loss.to_dataset(name="loss"), resamples=2000, level=0.6826895
    )
    half = (found["loss_upper"] - found["loss_lower"]) / 2
    error = loss.std("replica") / np.sqrt(200)
    # percentiles of 2000 resamples are known to 3 %
    np.testing.assert_allclose(half, error, rtol=0.1)


def test_bootstrap_intervals_cover_the_exponent_as_often_as_they_say():
    rng, covered, trials = np.random.default_rng(3), 0, 60
    exact = curves(FINE[40:80:2], FLOPS[3:10])
    expected = exponents(isoflop(exact))["loss_exponent"].item()
    for _ in range(trials):
        noise = rng.normal(0, 0.05, (24, exact.sizes["dimension"]))
        loss = exact * xr.DataArray(1 + noise, dims=("replica", "dimension"))
        found = compute_optimal.bootstrap(
            loss, lambda loss: exponents(envelope(loss)), resamples=60, level=0.9
        )
        covered += found["loss_exponent_lower"] <= expected <= found["loss_exponent_upper"]
    assert 0.75 * trials <= covered
