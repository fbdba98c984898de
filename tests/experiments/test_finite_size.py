"""Fits in powers of 1/N, on data that were made to obey them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from thermolimit.experiments import inverse_size_fit

SIZES = np.array([1, 2, 4, 8, 16])  # well conditioned, so that exact means exact
PVALUE = 1e-4  # of a true hypothesis, once in ten thousand seeds


def comparison(y: np.ndarray, error: np.ndarray | float, sizes: np.ndarray = SIZES) -> xr.Dataset:
    """``y`` over temperature and size."""
    dims = ("temperature", "n_spins")
    return xr.Dataset(
        {"overlap_difference": (dims, y), "overlap_error": (dims, np.broadcast_to(error, y.shape))},
        {"temperature": np.arange(len(y)), "n_spins": sizes},
    )


@pytest.mark.parametrize("powers", [(1,), (2,), (1, 2), (0.5, 1)])
def test_a_law_without_noise_is_recovered(powers):
    limit = np.array([0.25, -1.0])
    amplitude = np.array([[3.0, -2.0], [0.5, 4.0]])[:, : len(powers)]
    y = limit[:, None] + amplitude @ np.array([SIZES ** -float(p) for p in powers])
    found = inverse_size_fit(comparison(y, 0.1), "overlap", powers=powers)
    np.testing.assert_allclose(found["limit"], limit, rtol=1e-12)
    np.testing.assert_allclose(found["coefficient"], amplitude, rtol=1e-12)
    np.testing.assert_allclose(found["chi_squared"], 0, atol=1e-20)
    assert found["power"].values.tolist() == list(powers)
    assert found.attrs["degrees_of_freedom"] == len(SIZES) - 1 - len(powers)


@pytest.mark.parametrize("powers", [(1,), (1, 2)])
def test_coefficients_and_errors_are_those_of_a_polynomial_in_the_inverse_size(powers):
    rng = np.random.default_rng(1)
    y, error = rng.normal(size=5), rng.uniform(0.5, 2.0, size=5)
    found = inverse_size_fit(comparison(y[None], error), "overlap", powers=powers)
    expected, covariance = np.polyfit(1 / SIZES, y, len(powers), w=1 / error, cov="unscaled")
    limit, *rest = expected[::-1]
    limit_error, *rest_error = np.sqrt(np.diag(covariance))[::-1]
    assert found["limit"].item() == pytest.approx(limit)
    assert found["limit_error"].item() == pytest.approx(limit_error)
    np.testing.assert_allclose(found["coefficient"][0], rest)
    np.testing.assert_allclose(found["coefficient_error"][0], rest_error)


def test_on_noisy_data_chi_squared_and_the_limit_are_distributed_as_their_errors_say():
    rng = np.random.default_rng(3)
    points, error = 2000, np.array([0.5, 0.3, 0.2, 0.2, 0.1])
    y = 0.25 + 3.0 / SIZES + error * rng.normal(size=(points, 5))
    found = inverse_size_fit(comparison(y, error), "overlap")
    freedom = found.attrs["degrees_of_freedom"]
    assert stats.kstest(found["chi_squared"], stats.chi2(freedom).cdf).pvalue > PVALUE
    pull = (found["limit"] - 0.25) / found["limit_error"]
    assert stats.kstest(pull, stats.norm.cdf).pvalue > PVALUE


@pytest.mark.parametrize("hole", ["overlap_difference", "overlap_error"])
def test_a_point_with_a_hole_has_no_fit_and_leaves_the_others_alone(hole):
    data = comparison(np.ones((2, 5)), 0.1)
    data[hole] = data[hole].where((data["temperature"] > 0) | (data["n_spins"] > 1))
    found = inverse_size_fit(data, "overlap")
    assert np.isnan(found["limit"][0]) and np.isnan(found["chi_squared"][0])
    assert found["limit"][1].item() == pytest.approx(1.0)


@pytest.mark.parametrize("sizes, powers", [(1, (1,)), (2, (1,)), (3, (1, 2))])
def test_there_must_be_more_sizes_than_coefficients(sizes, powers):
    data = comparison(np.ones((1, 5)), 0.1).isel(n_spins=slice(sizes))
    said = f"{sizes} sizes are too few to fit {1 + len(powers)} coefficients"
    with pytest.raises(ValueError, match=said):
        inverse_size_fit(data, "overlap", powers=powers)


def test_a_single_size_is_too_few():
    data = comparison(np.ones((1, 5)), 0.1).isel(n_spins=0)
    with pytest.raises(ValueError, match="too few"):
        inverse_size_fit(data, "overlap")


def test_an_unknown_observable_is_refused_with_the_nearest_name():
    data = comparison(np.ones((1, 5)), 0.1)
    with pytest.raises(ValueError, match="'overlp'; did you mean 'overlap'"):
        inverse_size_fit(data, "overlp")
