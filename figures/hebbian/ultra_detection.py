"""Overlap with a pattern against the noise of its pairs, and the noise endured over the load."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thermolimit.figures.marks import OK, draw_means, largest, marker


def draw(tree: xr.DataTree) -> Figure:
    """Overlap and deviation over the noise; where the state ends in the plane of load and noise."""
    figure = Figure(figsize=(14.5, 4.4))
    overlap, deviation, plane = figure.subplots(1, 3)
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
    solved = theory["noise"].where(theory["status"] == OK)
    overlap.set(xlim=(-0.02, 1.05 * solved.max()), ylim=(0.5, 1.01))
    overlap.set_ylabel("overlap with the pattern, $m$")
    overlap.set_title(rf"$T = {theory['temperature'].item():g}$: theory and simulation")
    deviation.set(ylabel=r"overlap, simulation $-$ theory", title="Deviation from the limit")
    for axes in (overlap, deviation):
        axes.set(xlabel=r"noise of pairs over the root of the size, $w = \omega / \sqrt{N}$")
        axes.legend(loc="lower left")
    _plane(figure, plane, tree["lines/endured"].to_dataset(), tree["simulation"].to_dataset())
    return figure


def _plane(figure: Figure, axes: Axes, end: xr.Dataset, simulation: xr.Dataset) -> None:
    axes.plot(end["pattern_load"], end["noise"], color="C1", label="the retrieval state ends")
    last = end.isel(pattern_load=-1)
    slope = last["noise"] * (end["pattern_load"] / last["pattern_load"]) ** -0.25
    axes.plot(end["pattern_load"], slope, ":", color="0.4", label=r"$w \propto \alpha^{-1/4}$")
    one = largest(simulation)
    overlap = one["overlap"].mean("replica").transpose("pattern_load", "noise")
    alpha, w = xr.broadcast(overlap["pattern_load"], overlap["noise"])
    points = axes.scatter(
        alpha, w, c=overlap, s=46, cmap="viridis", vmin=0, vmax=1, edgecolors="k", linewidths=0.8,
        zorder=3, label=f"simulation, $N = {int(one['n_spins'])}$",
    )  # fmt: skip
    figure.colorbar(points, ax=axes, label="simulated overlap with the pattern, $m$")
    ends = end["pattern_load"].values[[0, -1]]
    axes.set(
        xscale="log", yscale="log", xlim=ends, ylim=(0.02, 2.5),
        xlabel=r"load, $\alpha = K / N$", ylabel=r"noise of pairs, $w = \omega / \sqrt{N}$",
        title="Left: ultra-detection, $K \\sim N$, $\\omega \\sim N^{1/2}$\n"
        "to the right, at $K \\sim N^3$, $\\omega \\sim 1$: ultra-storage",
    )  # fmt: skip
    axes.legend(loc="lower left")


def _points(axes: Axes, one: xr.Dataset, name: str, k: int) -> None:
    for j, n_spins in enumerate(one["n_spins"].values):
        here = one.sel(n_spins=n_spins)
        draw_means(
            axes, here["noise"] + 0.006 * (2 * k + j - 1.5), here[name], here["overlap_error"], k,
            rf"$N = {n_spins}$, $\alpha = {one['pattern_load'].item():g}$",
            hollow=j == 0, fmt=marker(j),
        )  # fmt: skip
