"""Which of the found states are those that a study asks for."""

from __future__ import annotations

import xarray as xr

from thermolimit.solvers import Status
from thermolimit.solvers.failures import mark

LEAST = 0.01  # overlap of a state that retrieves


def fallen(data: xr.Dataset) -> xr.DataArray:
    """Where there is no overlap: beyond a spinodal the search that began at a pattern ends so."""
    return ~(data["overlap"] > LEAST)


def without(data: xr.Dataset, others: xr.DataArray) -> xr.Dataset:
    """``data`` with these of the solved states marked as missing."""
    return mark(data, (data["status"] == Status.OK) & others, Status.MISSING)


def stable(line: xr.Dataset) -> xr.Dataset:
    """A line up to where its state ends: beyond the spinodal it goes on, on the unstable branch."""
    return line.isel(point=(line["growth_rate"] < 0).values)
