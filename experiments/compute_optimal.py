"""The compute-optimal frontier of curves loss(dimension, flops), simulated or predicted.

``at_flops`` brings recorded curves to common compute f = d B r, ``envelope`` and ``isoflop`` find
the best dimension at each f, ``exponents`` and ``local_exponents`` fit power laws P* ~ f^-eta and
d* ~ f^xi, ``bootstrap`` gives their intervals over independent replicas. J. Hoffmann et al.,
arXiv:2203.15556, call envelope and isoflop their approaches 1 and 2.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import xarray as xr

EARLIEST = 10.0  # steps; before, the loss is no sum of power laws
FRONT = ("optimal_loss", "optimal_dimension")


def at_flops(loss: xr.DataArray, flops: np.ndarray, *, batch: int = 1) -> xr.DataArray:
    """Curves at common compute, by linear interpolation of log P in log r.

    Parameters
    ----------
    loss : DataArray
        P > 0 over ``dimension``, ``step`` and any others.
    flops : array
        f = d B r, increasing.
    batch : int
        B.

    Returns
    -------
    DataArray
        Over ``dimension``, ``flops`` and the others; NaN where r is below 10, before the first
        record or after the last one.
    """
    step = loss["step"].values
    known = step > 0
    wanted = xr.DataArray(flops, {"flops": flops}, ["flops"]) / (loss["dimension"] * batch)

    def interpolated(curve: np.ndarray, r: np.ndarray) -> np.ndarray:
        inside = (r >= max(EARLIEST, step[known][0])) & (r <= step[-1])
        values = np.exp(np.interp(np.log(r), np.log(step[known]), np.log(curve[known])))
        return np.where(inside, values, np.nan)

    return xr.apply_ufunc(
        interpolated, loss, wanted, vectorize=True, input_core_dims=[["step"], ["flops"]],
        output_core_dims=[["flops"]],
    ).rename("loss")  # fmt: skip


def envelope(loss: xr.DataArray) -> xr.Dataset:
    """The least loss over the given dimensions.

    Parameters
    ----------
    loss : DataArray
        Over ``dimension``, ``flops`` and any others; NaN where there is no curve.

    Returns
    -------
    xarray.Dataset
        ``optimal_loss`` and ``optimal_dimension`` over ``flops`` and the others; NaN where the
        least loss is at the first or last dimension that has a curve. The dimension comes in steps.
    """

    def best(log_d: np.ndarray, log_p: np.ndarray, at: int) -> tuple[float, float]:
        return log_p[at], log_d[at]

    return _front(loss, best, reach=1)


def isoflop(loss: xr.DataArray, *, points: int = 3) -> xr.Dataset:
    """The vertex of a parabola in log P against log d, through the points around the minimum.

    Parameters
    ----------
    loss : DataArray
        As for ``envelope``.
    points : int
        3 or 5. All of them must have a curve, else the result is NaN: through points that are far
        from the minimum a parabola gives wrong exponents.

    Returns
    -------
    xarray.Dataset
        As from ``envelope``; the dimension is a real number.

    Raises
    ------
    ValueError
        For another number of points.
    """
    if points not in (3, 5):
        raise ValueError(f"points = {points} is not 3 or 5")
    reach = points // 2

    def best(log_d: np.ndarray, log_p: np.ndarray, at: int) -> tuple[float, float]:
        around = slice(at - reach, at + reach + 1)
        x, y = log_d[around] - log_d[at], log_p[around]
        curvature, slope, level = np.polyfit(x, y, 2)
        vertex = -slope / (2 * curvature)
        if not (curvature > 0 and x[0] <= vertex <= x[-1]):
            return np.nan, np.nan
        return level - slope**2 / (4 * curvature), log_d[at] + vertex

    return _front(loss, best, reach=reach)


def _front(loss: xr.DataArray, best: Callable[..., tuple[float, float]], reach: int) -> xr.Dataset:
    """Apply ``best`` around the minimum of every slice that has ``reach`` points on both sides."""
    ordered = loss.sortby("dimension")
    log_d = np.log(ordered["dimension"].values.astype(float))

    def one(values: np.ndarray) -> tuple[float, float]:
        if not np.isfinite(values).any():
            return np.nan, np.nan
        at = int(np.nanargmin(values))
        inside = reach <= at < len(values) - reach
        if not (inside and np.isfinite(values[at - reach : at + reach + 1]).all()):
            return np.nan, np.nan
        log_p, log_size = best(log_d, np.log(values), at)
        return np.exp(log_p), np.exp(log_size)

    found = xr.apply_ufunc(
        one, ordered, vectorize=True, input_core_dims=[["dimension"]], output_core_dims=[[], []]
    )
    labels = ("least loss at this compute, $P^*$", "best dimension, $d^*$")
    return xr.Dataset(
        {
            name: values.assign_attrs(long_name=label, units="1")
            for name, values, label in zip(FRONT, found, labels, strict=True)
        }
    )


def exponents(front: xr.Dataset) -> xr.Dataset:
    """Least squares of log P* and log d* against log f.

    Parameters
    ----------
    front : Dataset
        ``optimal_loss`` and ``optimal_dimension`` over ``flops`` and any others; NaN are left out.

    Returns
    -------
    xarray.Dataset
        ``loss_exponent`` eta, ``dimension_exponent`` xi, and their standard errors
        ``loss_exponent_error`` and ``dimension_exponent_error`` from the scatter around the line
        (NaN for fewer than three points). The errors say how straight the line is, not how far from
        its slope in the limit.
    """
    fitted = {}
    signs = {"loss": -1, "dimension": 1}
    for name, sign in signs.items():
        slope, error = xr.apply_ufunc(
            _slope, np.log(front["flops"]), np.log(front[f"optimal_{name}"]), vectorize=True,
            input_core_dims=[["flops"], ["flops"]], output_core_dims=[[], []],
        )  # fmt: skip
        symbol = {"loss": r"$\eta$", "dimension": r"$\xi$"}[name]
        label = f"measured exponent of the {name}, {symbol}"
        fitted[f"{name}_exponent"] = (sign * slope).assign_attrs(long_name=label, units="1")
        fitted[f"{name}_exponent_error"] = error.assign_attrs(
            long_name=f"{label}, standard error", units="1"
        )
    return xr.Dataset(fitted)


def local_exponents(front: xr.Dataset, *, window: int = 5) -> xr.Dataset:
    """Slopes on a sliding window: ``exponents`` of every ``window`` neighbours in ``flops``.

    Over ``flops``, the middle of each window, and the others; NaN where the window is not full.
    """
    positions = range(front.sizes["flops"] - window + 1)
    found = [exponents(front.isel(flops=slice(i, i + window))) for i in positions]
    middles = front["flops"].isel(flops=slice(window // 2, window // 2 + len(found)))
    full = front[FRONT[0]].rolling(flops=window).count().isel(flops=slice(window - 1, None))
    slopes = xr.concat(found, "flops").assign_coords(flops=middles)
    return slopes.where(full.assign_coords(flops=middles) == window)


def bootstrap(
    loss: xr.DataArray,
    measure: Callable[[xr.DataArray], xr.Dataset],
    *,
    resamples: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> xr.Dataset:
    """Intervals of what is measured on the mean over replicas, each with its own W.

    Parameters
    ----------
    loss : DataArray
        Over ``replica``, ``dimension`` and any others. At every dimension the replicas are
        resampled on their own, all points of a curve together.
    measure : callable
        From mean curves, which have the dimension ``resample`` too, to numbers, as
        ``lambda loss: exponents(isoflop(loss))``.
    resamples, seed : int
        How many, and of the random generator.
    level : float
        Of the interval.

    Returns
    -------
    xarray.Dataset
        For every variable x, its value ``x`` on the mean over all replicas, and the percentiles
        ``x_lower`` and ``x_upper`` over the resamples.
    """
    rng = np.random.default_rng(seed)
    count, sizes = loss.sizes["replica"], loss["dimension"]
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=(resamples, sizes.size))
    weights = xr.DataArray(drawn / count, dims=("resample", "dimension", "replica"))
    again = measure(xr.dot(weights.assign_coords(dimension=sizes), loss, dim="replica"))
    values = measure(loss.mean("replica"))
    for end, quantile in (("lower", (1 - level) / 2), ("upper", (1 + level) / 2)):
        with warnings.catch_warnings():  # all NaN where there is no curve
            warnings.simplefilter("ignore", RuntimeWarning)
            found = again.quantile(quantile, "resample").drop_vars("quantile")
        values = values.assign(found.rename({x: f"{x}_{end}" for x in found}))
    return values


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of a straight line and its standard error, without the points that are NaN."""
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() < 2:
        return np.nan, np.nan
    x, y = x[known] - x[known].mean(), y[known] - y[known].mean()
    slope = (x @ y) / (x @ x)
    freedom = len(x) - 2
    error = np.sqrt(np.sum((y - slope * x) ** 2) / freedom / (x @ x)) if freedom else np.nan
    return float(slope), float(error)
