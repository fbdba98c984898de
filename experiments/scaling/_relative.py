"""Losses in units of the theory: they span decades, and the bias of small d is a part of them."""

from __future__ import annotations

import xarray as xr


def relative(data: xr.Dataset, theory: xr.Dataset) -> xr.Dataset:
    """``data`` with its loss in units of that of the theory; 1 for the theory itself."""
    label = {"long_name": "loss in units of the theory", "units": "1"}
    return data.assign(relative_loss=(data["loss"] / theory["loss"]).assign_attrs(label))
