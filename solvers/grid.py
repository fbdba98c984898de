"""A labelled grid of points: named axes in, flat columns inside, an xarray Dataset out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from thermolimit.leaves import Leaf

VERSION = version("thermolimit")  # reading it takes a millisecond
RESERVED = ("start", "replica")  # dimensions that the results have besides the grid's


@dataclass(frozen=True)
class Grid:
    """Points where something is computed.

    ``columns`` holds one flat array per number that may vary, of length ``points``; ``whole`` the
    arguments that have dimensions of their own and belong to all points.
    """

    dims: tuple[str, ...]
    shape: tuple[int, ...]
    columns: dict[str, np.ndarray]
    whole: dict[str, np.ndarray]
    coords: dict[str, xr.DataArray]

    @property
    def points(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    def dataset(
        self,
        values: Mapping[str, np.ndarray],
        described: Mapping[str, Leaf],
        inner: tuple[str, ...] = (),
        coords: Mapping[str, Any] = {},
        attrs: Mapping[str, str] = {},
    ) -> xr.Dataset:
        """Fold flat results back into named dimensions.

        Parameters
        ----------
        values : mapping of str to array
            Shape (points, inner..., own...); "own" are the leaf's own dimensions.
        described : mapping of str to Leaf
            What the names mean.
        inner : tuple of str
            Dimensions between the grid's and the leaf's own, such as ``start`` or ``replica``.
        """
        variables = {}
        for name in (name for name in described if name in values):
            own = described[name].dims
            folded = values[name].reshape(self.shape + values[name].shape[1:])
            variables[name] = (self.dims + inner + own, folded, described[name].attrs)
        data = xr.Dataset(variables, coords={**self.coords, **coords})
        return data.assign_attrs(thermolimit_version=VERSION, **attrs)


def make_grid(given: Mapping[str, Any], described: Mapping[str, Leaf]) -> Grid:
    """Broadcast numbers, 1-d axes and DataArrays by the names of their dimensions.

    Parameters
    ----------
    given : mapping
        A number stays a scalar coordinate; a 1-d sequence makes a dimension of its name; a
        DataArray keeps its dimensions, so that two that share one make a line, not a grid.
    described : mapping of str to Leaf
        Allowed values; a leaf with own dimensions is passed whole.

    Raises
    ------
    ValueError
        For values that are not allowed, empty or repeated, and for unnamed dimensions.
    """
    whole = {n: _whole(value, described[n]) for n, value in given.items() if described[n].dims}
    axes = {
        name: _axis(value, described[name]) for name, value in given.items() if name not in whole
    }
    aligned = xr.align(*axes.values(), join="exact")
    broadcast = xr.broadcast(*aligned) if aligned else ()
    for dim in broadcast[0].dims if broadcast else ():
        if dim in RESERVED:
            raise ValueError(f"a dimension of the grid cannot be called {dim!r}")
    return Grid(
        dims=tuple(str(dim) for dim in broadcast[0].dims) if broadcast else (),
        shape=broadcast[0].shape if broadcast else (),
        columns={name: array.values.ravel() for name, array in zip(axes, broadcast, strict=True)},
        whole={name: array.values for name, array in whole.items()},
        coords={name: array.reset_coords(drop=True) for name, array in (axes | whole).items()},
    )


def _whole(value: Any, leaf: Leaf) -> xr.DataArray:
    array = leaf.checked(value)
    given = value.dims if isinstance(value, xr.DataArray) else leaf.dims
    if array.ndim != len(leaf.dims) or given != leaf.dims:
        dims = ", ".join(leaf.dims)
        raise ValueError(f"{leaf.name} must have the dimensions ({dims}), and has {array.ndim}")
    if leaf.dims == (leaf.name,) and (np.diff(array) <= 0).any():  # it becomes the coordinate
        raise ValueError(f"{leaf.name} must increase")
    return xr.DataArray(array, dims=leaf.dims, attrs=leaf.attrs)


def _axis(value: Any, leaf: Leaf) -> xr.DataArray:
    if isinstance(value, xr.DataArray):
        return value.copy(data=leaf.checked(value.values)).assign_attrs(leaf.attrs)
    array = leaf.checked(value)
    if array.ndim > 1:
        raise ValueError(
            f"{leaf.name} has {array.ndim} dimensions without names; "
            "give a number, a 1-d sequence, or an xarray.DataArray"
        )
    if array.ndim == 0:
        return xr.DataArray(array, attrs=leaf.attrs)
    if len(np.unique(array)) < array.size:
        raise ValueError(f"{leaf.name} has repeated values")
    axis = xr.Variable(leaf.name, array, leaf.attrs)
    return xr.DataArray(axis, coords={leaf.name: axis}, attrs=leaf.attrs)
