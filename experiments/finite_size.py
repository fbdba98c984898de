"""From finite sizes to the limit: fits in powers of 1/N."""

from __future__ import annotations

import numpy as np
import xarray as xr

from thermolimit.leaves import unknown_name


def inverse_size_fit(
    data: xr.Dataset, name: str, *, size: str = "n_spins", powers: tuple[int, ...] = (1,)
) -> xr.Dataset:
    """Weighted least squares of y = limit + sum_p a_p / N^p at every point of the other axes.

    Parameters
    ----------
    data : xarray.Dataset
        From ``compare``; ``<name>_difference`` and ``<name>_error`` are fitted over ``size``, so
        that the limit predicted by the theory is zero.
    name : str
        An observable.
    size : str
        Dimension of the sizes N; there must be more of them than coefficients.
    powers : tuple of int
        Which powers of 1/N.

    Returns
    -------
    xarray.Dataset
        ``limit`` and ``limit_error``; ``coefficient`` and ``coefficient_error`` over ``power``;
        ``chi_squared`` of the fit with ``degrees_of_freedom``. Errors are those of the weighted
        fit, from the error bars of the data alone.
    """
    if f"{name}_difference" not in data:
        known = [str(n).removesuffix("_difference") for n in data if str(n).endswith("_difference")]
        raise ValueError(unknown_name("observable", name, known))
    y, error = data[f"{name}_difference"], data[f"{name}_error"]
    sizes = np.atleast_1d(data[size].values).astype(float)
    freedom = len(sizes) - 1 - len(powers)
    if freedom < 1:
        raise ValueError(f"{len(sizes)} sizes are too few to fit {1 + len(powers)} coefficients")
    design = np.stack([sizes**-p for p in (0, *powers)], axis=1)

    def fit(y: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Over the last axis: coefficients, their errors, chi squared."""
        if not (np.isfinite(y).all() and np.isfinite(error).all() and (error > 0).all()):
            blank = np.full(design.shape[1], np.nan)
            return blank, blank, np.nan
        weighted = design / error[:, None]
        covariance = np.linalg.inv(weighted.T @ weighted)
        coefficients = covariance @ weighted.T @ (y / error)
        chi_squared = np.sum((y / error - weighted @ coefficients) ** 2)
        return coefficients, np.sqrt(np.diag(covariance)), float(chi_squared)

    coefficients, errors, chi_squared = xr.apply_ufunc(
        fit,
        y,
        error,
        input_core_dims=[[size], [size]],
        output_core_dims=[["power"], ["power"], []],
        vectorize=True,
    )
    label = y.attrs.get("long_name", name)
    return xr.Dataset(
        {
            "limit": coefficients.isel(power=0).assign_attrs(long_name=f"{label}, N to infinity"),
            "limit_error": errors.isel(power=0),
            "coefficient": coefficients.isel(power=slice(1, None)),
            "coefficient_error": errors.isel(power=slice(1, None)),
            "chi_squared": chi_squared,
        },
        coords={"power": list(powers)},
        attrs={"degrees_of_freedom": freedom},
    )
