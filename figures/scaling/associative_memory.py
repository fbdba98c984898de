"""Error of an associative memory over its dimension and over the samples it saw."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import OK, draw_means

NAMES = {
    "frequencies": r"frequencies, $q = p$",
    "square_roots": r"square roots, $q = p^{1/2}$",
    "threshold": r"threshold, $q = 1$ of $d/8$ tokens",
}
INFINITE = 0  # samples of infinite data


def draw(tree: xr.DataTree) -> Figure:
    """Left: over d, from infinite data. Right: over T, at several d."""
    figure = Figure(figsize=(10.5, 4.6))
    over_d, over_t = figure.subplots(1, 2)
    comparison = tree["comparison"].to_dataset()
    _over_dimension(over_d, tree, comparison.sel(n_samples=INFINITE))
    _over_samples(over_t, tree, comparison)
    return figure


def _over_dimension(axes: Axes, tree: xr.DataTree, comparison: xr.Dataset) -> None:
    theory, exponents = (tree[f"lines/{name}"].to_dataset() for name in ("dimension", "exponents"))
    for k, name in enumerate(theory["memory"].values):
        line, points = theory.sel(memory=name), comparison.sel(memory=name)
        axes.plot(line["dimension"], line["error"].where(line["status"] == OK), f"C{k}")
        _points(axes, points["dimension"], points, k, NAMES[name])
        exponent = float(exponents["dimension_exponent"].sel(memory=name))
        _guide(axes, line["dimension"].values, 1.25 * line["error"].values, -exponent, "d")
    axes.set(
        xlabel="dimension, $d$",
        ylabel="error, $E$",
        title="Infinite data: theory (lines), simulation (points)",
    )
    _logarithmic(axes)
    simulated = comparison["dimension"].values
    axes.set_xticks(simulated, [f"{d:g}" for d in simulated])
    axes.set_xticks([], minor=True)
    axes.legend(loc="lower left")


def _over_samples(axes: Axes, tree: xr.DataTree, comparison: xr.Dataset) -> None:
    theory, exact = (tree[f"lines/{name}"].to_dataset() for name in ("samples", "infinite_memory"))
    rho = float(theory["rho"])
    same = comparison.isel(memory=np.flatnonzero(comparison["rho"] == rho).item())
    finite = same.where(same["n_samples"] != INFINITE, drop=True)
    for k, d in enumerate(theory["dimension"].values):
        line, points = theory.sel(dimension=d), finite.sel(dimension=d)
        axes.plot(line["n_samples"], line["error"].where(line["status"] == OK), f"C{k + 3}")
        _points(axes, points["n_samples"], points, k + 3, f"$d = {d:g}$")
    axes.plot(exact["n_samples"], exact["error"], "k-", label=r"$d = \infty$, exact")
    exponent = float(tree["lines/exponents"].to_dataset()["sample_exponent"][0])
    _guide(axes, exact["n_samples"].values, 0.7 * exact["error"].values, -exponent, "T")
    axes.set(
        xlabel="samples, $T$",
        title=rf"Finite data, $q = \hat p^{{\,{rho:g}}}$: theory (lines), simulation (points)",
    )
    _logarithmic(axes)
    axes.legend(loc="lower left")


def _points(axes: Axes, x: xr.DataArray, points: xr.Dataset, k: int, label: str) -> None:
    draw_means(axes, x, points["error_simulation"], points["error_error"], k, label)


def _guide(axes: Axes, x: np.ndarray, y: np.ndarray, slope: float, name: str) -> None:
    """The limiting power law, as high as the last third of a curve."""
    start = 2 * len(x) // 3
    ends = x[start], x[-1]
    heights = [y[start] * (end / ends[0]) ** slope for end in ends]
    axes.plot(ends, heights, color="0.45", linestyle=":")
    axes.annotate(
        rf"${name}^{{{slope:.3g}}}$", (ends[1], heights[1]), xytext=(4, 0),
        textcoords="offset points", va="center", color="0.3",
    )  # fmt: skip


def _logarithmic(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
