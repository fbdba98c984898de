"""Densities of eigenvalues, and of the target along them, for several decays of the data."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import draw_means, largest

ROWS = {
    "eigenvalues": "eigenvalues per $d \\ln \\lambda$",
    "target_power": "power of the target per $d \\ln \\lambda$",
}


def draw(tree: xr.DataTree) -> Figure:
    """Theory in narrow bins (thin) and in those of the simulation (steps); drawn W as points."""
    nodes = (tree[name].to_dataset() for name in ("theory", "comparison", "lines/narrow"))
    theory, comparison, narrow = nodes
    theory, comparison = largest(theory, "dimension"), largest(comparison, "dimension")
    figure = Figure(figsize=(9.5, 6.6))
    grid = figure.subplots(2, theory.sizes["alpha"], sharex="col", squeeze=False)
    for row, (name, label) in zip(grid, ROWS.items(), strict=True):
        for alpha, axes in zip(theory["alpha"].values, row, strict=True):
            one = (data.sel(alpha=alpha) for data in (theory, comparison, narrow))
            _panel(axes, name, *one)
        row[0].set_ylabel(label)
    for alpha, axes in zip(theory["alpha"].values, grid[0], strict=True):
        beta, d = theory["beta"].item(), int(theory["dimension"])
        axes.set_title(rf"$\alpha = {alpha:g}$, $\beta = {beta:g}$, $d = {d}$")
    for axes in grid[-1]:
        axes.set_xlabel(r"eigenvalue of $W^\top D W$, $\lambda$")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _panel(
    axes: Axes, name: str, theory: xr.Dataset, comparison: xr.Dataset, narrow: xr.Dataset
) -> None:
    axes.plot(
        narrow["eigenvalue"], narrow[name] / narrow["width"], color="0.55", lw=0.8,
        label="theory, narrow bins",
    )  # fmt: skip
    bounds = theory["rank"].values ** (-2 * theory["alpha"].item())
    heights = (theory[name] / theory["width"]).values
    axes.stairs(heights[::-1], bounds[::-1], color="C0", lw=1.6, label="theory, bins as simulated")
    width = theory["width"]
    draw_means(
        axes, theory["eigenvalue"], comparison[f"{name}_simulation"] / width,
        comparison[f"{name}_error"] / width, 1,
        f"drawn $W$, mean of {int(comparison['replicas'].max())}", fmt="o", mew=0.5, ms=4.5,
    )  # fmt: skip
    highest = float(np.max(narrow[name] / narrow["width"]))
    axes.set(xscale="log", yscale="log", ylim=(highest / 1e4, 2 * highest))
