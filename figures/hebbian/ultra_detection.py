"""Overlap with a pattern against the noise of its pairs, and simulation minus theory."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import OK, draw_means, marker


def draw(tree: xr.DataTree) -> Figure:
    """Two panels with the same abscissa."""
    figure = Figure(figsize=(10.5, 4.4))
    overlap, deviation = figure.subplots(1, 2)
    theory, comparison = tree["theory"].to_dataset(), tree["comparison"].to_dataset()
    for k, load in enumerate(theory["pattern_load"].values):
        states = theory.sel(pattern_load=load)
        overlap.plot(
            states["noise"], states["overlap"].where(states["status"] == OK), color=f"C{k}",
            label=rf"theory, $\alpha = {load:g}$",
        )  # fmt: skip
        one = comparison.sel(pattern_load=load)
        _points(overlap, one, "overlap_simulation", k)
        _points(deviation, one, "overlap_difference", k)
    deviation.axhline(0, color="k", lw=1)
    overlap.set(ylim=(0.5, 1.01), ylabel="overlap with the pattern, $m$")
    overlap.set_title(rf"$T = {theory['temperature'].item():g}$: theory and simulation")
    deviation.set(ylabel=r"overlap, simulation $-$ theory", title="Deviation from the limit")
    for axes in (overlap, deviation):
        axes.set(xlabel=r"noise of pairs over the root of the size, $w = \omega / \sqrt{N}$")
        axes.legend(loc="lower left")
    return figure


def _points(axes: Axes, one: xr.Dataset, name: str, k: int) -> None:
    for j, n_spins in enumerate(one["n_spins"].values):
        here = one.sel(n_spins=n_spins)
        draw_means(
            axes, here["noise"] + 0.006 * (2 * k + j - 1.5), here[name], here["overlap_error"], k,
            rf"$N = {n_spins}$, $\alpha = {one['pattern_load'].item():g}$",
            hollow=j == 0, fmt=marker(j),
        )  # fmt: skip
