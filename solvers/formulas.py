"""Formulas on a labelled grid: the counterpart of sweeps over simulations."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from .calls import called, over_lanes
from .failures import status_variable
from .grid import make_grid
from .precision import theory_precision
from .progress import Progress
from .saddle import Status
from .signature import by_shape, signature
from .tiles import in_order


def evaluate(fn: Callable[..., Any], /, **axes: Any) -> xr.Dataset:
    """Evaluate a formula on a labelled grid.

    Parameters
    ----------
    fn : callable
        Of one point, annotated, returning a NamedTuple. Positional arguments are numbers;
        keyword-only arguments fix shapes; an argument annotated with a dimension is passed whole
        and becomes its coordinate. If jitted it is batched, else called point by point.
    **axes : float, sequence, or DataArray
        Its arguments, by name.

    Returns
    -------
    xarray.Dataset
        The fields of the result over the axes, in float64, and ``status``.

    Raises
    ------
    TypeError
        For unknown or missing arguments.
    ValueError
        For values outside an argument's range.
    """
    face = signature(fn)
    if face.random:
        raise TypeError(f"{qualified_name(fn)} is a simulation: use experiments.sweep")
    grid = make_grid(face.complete(axes), face.arguments)
    groups = []
    with theory_precision(), Progress(fn.__name__, grid.points) as progress:
        for fixed, index in by_shape(grid.columns, face.fixed, grid.points):
            lanes = (index, {name: grid.columns[name][index] for name in face.numbers})
            found = over_lanes(at_point, fn, fixed, grid.whole)(lanes, progress)
            groups.append((index, found))
    values = in_order(groups)._asdict()
    finite = [np.isfinite(v.reshape(grid.points, -1)).all(axis=1) for v in values.values()]
    status = np.where(np.all(finite, axis=0), Status.OK, Status.NOT_FINITE).reshape(grid.shape)
    data = grid.dataset(values, face.results, attrs={"formula": qualified_name(fn)})
    return data.assign(status=status_variable(grid.dims, status))


def qualified_name(fn: Callable[..., Any]) -> str:
    """Module and name of a function, as one imports it."""
    plain = inspect.unwrap(fn)
    return f"{plain.__module__}.{plain.__qualname__}"


def at_point(run: Callable[..., Any], fixed: dict[str, Any], whole: Any, lane: Any) -> Any:
    """Call a formula at one lane: (number of the lane, its numbers)."""
    _, numbers = lane
    return called(run, **numbers, **whole, **fixed)
