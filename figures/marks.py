"""How simulated points are told from theory lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

OK = 1  # status of a point that can be trusted
MARKERS = "os^Dvp<>"


def marker(k: int) -> str:
    """The symbol of the k-th curve."""
    return MARKERS[k % len(MARKERS)]


def largest(data: xr.Dataset, size: str = "n_spins") -> xr.Dataset:
    """The largest networks of a dataset."""
    return data.isel({size: int(data[size].argmax(size))})


def over_replicas(samples: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Means and their standard errors."""
    error = samples.std("replica", ddof=1) / np.sqrt(samples.sizes["replica"])
    return samples.mean("replica"), error


def draw_means(
    axes: Axes,
    x: ArrayLike,
    mean: ArrayLike,
    error: ArrayLike,
    k: int,
    label: str | None = None,
    *,
    hollow: bool = False,
    **style: Any,
) -> None:
    """Simulated means with black error bars, in the colour and the symbol of the k-th curve.

    ``hollow`` tells a second kind of points; ``style`` is that of ``Axes.errorbar``.
    """
    color = f"C{k}"
    face, edge = ("w", color) if hollow else (color, "k")
    given = {"fmt": marker(k), "color": color, "mfc": face, "mec": edge, "mew": 0.8, "ecolor": "k"}
    axes.errorbar(x, mean, error, label=label, **given | style)
