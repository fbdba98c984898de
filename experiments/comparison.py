"""Simulation minus theory, point by point, in units of its error bar."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from thermolimit.solvers import Status
from thermolimit.solvers.failures import DIAGNOSTICS


def axis(lower: float, upper: float, points: int, include: Iterable[float] = ()) -> np.ndarray:
    """Equally spaced values and, exactly, those of ``include``; increasing, each once.

    Parameters
    ----------
    lower, upper : float
        Ends of the spaced values.
    points : int
        How many of them.
    include : iterable of float
        Usually the simulated values; a spaced value that is one of them to rounding gives way.

    Returns
    -------
    ndarray
        Shape (points + those of ``include`` that are new,).
    """
    exact = np.array(list(include), float)
    spaced = np.linspace(lower, upper, points)
    # 0.3 and linspace(0, 1, 11)[3] are not the same number, but the same point
    rounding = 1e-12 * np.max(np.abs([lower, upper]))
    repeated = (np.abs(spaced[:, None] - exact) <= rounding).any(axis=1)
    return np.unique(np.concatenate([spaced[~repeated], exact]))


def compare(predicted: xr.Dataset, measured: xr.Dataset) -> xr.Dataset:
    """Join a theory and a simulation on the simulated points; nothing is interpolated.

    Parameters
    ----------
    predicted : xarray.Dataset
        From ``saddle_points`` or ``evaluate``. Its dimensions (``start`` too) are among the
        coordinates of ``measured``, and so are their values; points whose status is not OK count
        as not predicted.
    measured : xarray.Dataset
        From ``sweep``; replicas whose status is not OK are left out.

    Returns
    -------
    xarray.Dataset
        For every name x that both have: ``x_theory``; ``x_simulation``, the mean over replicas;
        ``x_error``, its standard error from their scatter (NaN for fewer than two);
        ``x_difference``, simulation minus theory; ``x_pull``, the difference over the error.
        ``replicas`` counts those that went into a mean and ``left_out`` the others.

    Raises
    ------
    ValueError
        If a simulated point was not predicted.
    """
    at_points = _select(predicted, measured)
    if "status" in at_points:
        at_points = at_points.where(at_points["status"] == Status.OK)
    good = measured["status"] == Status.OK
    names = [n for n in predicted.data_vars if n in measured and n not in DIAGNOSTICS]
    joined: dict[str, xr.DataArray] = {}
    for name in names:
        label = predicted[name].attrs.get("long_name", name)
        samples = measured[name].where(good)
        mean = samples.mean("replica")
        # the scatter of fewer than two replicas is NaN, and so is the error
        error = samples.std("replica", ddof=1) / good.sum("replica") ** 0.5
        difference = mean - at_points[name]
        columns = {
            "theory": (at_points[name], f"{label}, theory"),
            "simulation": (mean, f"{label}, simulation"),
            "error": (error, f"{label}, standard error of the simulation"),
            "difference": (difference, f"{label}, simulation - theory"),
            "pull": (difference / error.where(error > 0), f"{label}, difference / error"),
        }
        for column, (values, long_name) in columns.items():
            joined[f"{name}_{column}"] = values.assign_attrs(long_name=long_name, units="1")
    data = xr.Dataset(joined).assign(
        replicas=good.sum("replica").assign_attrs(long_name="replicas in the mean"),
        left_out=(~good).sum("replica").assign_attrs(long_name="replicas left out"),
    )
    return data.assign_attrs(observables=names)


def _select(predicted: xr.Dataset, measured: xr.Dataset) -> xr.Dataset:
    chosen = {
        dim: _positions(predicted, measured, dim)
        for dim in predicted.dims
        if dim in measured.coords
    }
    for dim in predicted.dims:
        if dim not in measured.coords and dim not in measured.dims:
            raise ValueError(
                f"the theory has a dimension {dim!r} that was not simulated; select one"
            )
    for name, value in predicted.coords.items():
        if name in measured.coords and not set(value.dims) & set(chosen):
            if value.dims != measured[name].dims and value.ndim or (measured[name] != value).any():
                raise ValueError(
                    f"{name} is {value.values} in the theory "
                    f"and {measured[name].values} in the simulation"
                )
    return predicted.isel(chosen).assign_coords({dim: measured[dim] for dim in chosen})


def _positions(predicted: xr.Dataset, measured: xr.Dataset, dim: Hashable) -> xr.DataArray:
    """Where the simulated values of a coordinate stand among the predicted ones."""
    known, asked = predicted[dim].to_index(), measured[dim].values.ravel()
    if asked.dtype.kind in "iuf":  # the same point, as for its random key, at 12 digits
        order = known.argsort()
        tolerance = 1e-12 * np.abs(asked)
        nearest = known[order].get_indexer(asked, method="nearest", tolerance=tolerance)
        found = np.where(nearest < 0, -1, order[nearest])
    else:
        found = known.get_indexer(asked)
    missing = asked[found < 0]
    if missing.size:
        raise ValueError(
            f"{dim} = {missing[0]} was simulated but not predicted; "
            "put it among the theory's values with axis(..., include=)"
        )
    return measured[dim].copy(data=found.reshape(measured[dim].shape))


@dataclass(frozen=True)
class Tolerance:
    """When a simulated mean agrees: |difference| <= standard_errors * error + bias / size.

    Parameters
    ----------
    standard_errors : float
        How many, of a mean over many replicas. Over few, the error itself is uncertain, and as many
        are allowed as make a deviation equally rare under Student's distribution.
    bias : mapping of str to float
        Observables with a known finite-size bias, as the coefficient of 1 / size; 0 for the others.
    size : str
        Coordinate of the number of degrees of freedom.
    """

    standard_errors: float = 4.0
    size: str = "n_spins"
    bias: Mapping[str, float] = field(default_factory=dict)

    def allowed(self, name: str, error: xr.DataArray, replicas: xr.DataArray) -> xr.DataArray:
        """Largest deviation that agrees, at every point."""
        rare = stats.norm.sf(self.standard_errors)
        errors = xr.apply_ufunc(lambda n: stats.t.isf(rare, np.maximum(n - 1, 1)), replicas)
        return errors * error + self.bias.get(name, 0.0) / error[self.size]


class Agreement(NamedTuple):
    """One observable at one size.

    Runs at different points of a sweep are independent, and ``error`` adds theirs in quadrature.
    Records of the same run (over ``step``, ``pattern``, ``bin``) are not: their errors are added as
    if they were fully correlated, which is the most that it can be.
    """

    observable: str
    size: int
    compared: int
    left_out: int  # points without a prediction, or with fewer than two good replicas
    within: int  # points within the tolerance
    mean_difference: float
    error: float  # of mean_difference
    largest_pull: float
    where: str


def agreement(comparison: xr.Dataset, tolerance: Tolerance) -> list[Agreement]:
    """Summarise a comparison, one row per observable and size.

    Parameters
    ----------
    comparison : xarray.Dataset
        From ``compare``.
    tolerance : Tolerance
        The rule.

    Raises
    ------
    ValueError
        If the comparison has no coordinate of the tolerance's size.
    """
    rows = []
    if tolerance.size not in comparison.coords:
        raise ValueError(f"the comparison has no coordinate {tolerance.size!r}; see Tolerance")
    if tolerance.size not in comparison.dims:
        comparison = comparison.expand_dims(tolerance.size)
    for name in comparison.attrs["observables"]:
        for size in comparison[tolerance.size].values:
            chosen = comparison.sel({tolerance.size: size})
            rows.append(_agreement(name, int(size), chosen, tolerance))
    return rows


def _agreement(name: str, size: int, chosen: xr.Dataset, tolerance: Tolerance) -> Agreement:
    difference, error = chosen[f"{name}_difference"], chosen[f"{name}_error"]
    compared = np.isfinite(difference) & np.isfinite(error)
    count = int(compared.sum())
    within = compared & (abs(difference) <= tolerance.allowed(name, error, chosen["replicas"]))
    pull = chosen[f"{name}_pull"].where(compared)
    worst, where = float("nan"), ""
    if np.isfinite(pull).any():
        at = pull.isel(abs(pull).argmax(pull.dims)) if pull.ndim else pull
        worst = float(at)
        where = ", ".join(f"{dim}={at[dim].item()}" for dim in pull.dims if dim in at.coords)
    return Agreement(
        name,
        size,
        count,
        difference.size - count,
        int(within.sum()),
        float(difference.where(compared).mean()) if count else float("nan"),
        _error_of_sum(error.where(compared), chosen["replicas"]) / count if count else float("nan"),
        worst,
        where,
    )


def _error_of_sum(error: xr.DataArray, replicas: xr.DataArray) -> float:
    """Of all points; see ``Agreement``. A count of replicas belongs to a whole run."""
    of_runs = error.sum([dim for dim in error.dims if dim not in replicas.dims])
    return float(np.sqrt((of_runs**2).sum()))


def agrees(rows: Iterable[Agreement]) -> bool:
    """Whether of every observable something was compared, and all of it is within the tolerance."""
    compared: dict[str, int] = {}
    for row in rows:
        if row.within < row.compared:
            return False
        compared[row.observable] = compared.get(row.observable, 0) + row.compared
    return bool(compared) and all(compared.values())


def table(rows: Iterable[Agreement]) -> str:
    """The agreement as text for a terminal."""
    header = (
        "observable",
        "N",
        "points",
        "left out",
        "within",
        "mean deviation",
        "largest pull",
        "at",
    )
    lines: list[tuple[Any, ...]] = [header]
    for row in rows:
        deviation = f"{row.mean_difference:+.5f} +- {row.error:.5f}"
        lines.append((row.observable, row.size, row.compared, row.left_out, row.within,
                      deviation, f"{row.largest_pull:+.1f}", row.where))  # fmt: skip
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(str(cell).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
