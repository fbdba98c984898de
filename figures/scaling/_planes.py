"""What figures over the plane of alpha and beta share."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes


def draw_lines(axes: Axes, tree: xr.DataTree) -> None:
    """Lines between the phases."""
    for node in tree["lines"].children.values():
        if "equation" in node.attrs:
            axes.plot(node["alpha"], node["beta"], color="k", linewidth=1)


def hatch_half(axes: Axes, exponent: xr.DataArray) -> None:
    """Where the exponent of the dimension is 1/2."""
    half = np.isclose(exponent.transpose("beta", "alpha"), 0.5).astype(float)
    axes.contourf(
        exponent["alpha"], exponent["beta"], half, levels=[0.5, 1.5], colors="none", hatches=["///"]
    )
