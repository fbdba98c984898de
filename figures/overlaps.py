"""Simulated overlaps in a plane of load and temperature, and what they miss of the theory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .marks import OK, largest, marker


def draw_points(figure: Figure, axes: Axes, simulation: xr.Dataset) -> None:
    """The largest networks as points, coloured by their overlap with the pattern."""
    network = largest(simulation)
    alpha, T = np.meshgrid(network["pattern_load"], network["temperature"], indexing="ij")
    overlap = (
        network["overlap"]
        .where(network["status"] == OK)
        .mean("replica")
        .transpose("pattern_load", "temperature")
    )
    points = axes.scatter(
        alpha, T, c=overlap, s=52, cmap="viridis", vmin=0, vmax=1, edgecolors="k", linewidths=0.8,
        zorder=3, label=f"simulation, N = {int(network['n_spins'])}",
    )  # fmt: skip
    figure.colorbar(points, ax=axes, label="simulated overlap with the stored pattern, $m$")


def draw_trend(axes: Axes, curves: Mapping[str, tuple[xr.Dataset, xr.Dataset]]) -> None:
    """Simulated overlap minus theory over 1 / N, with standard errors.

    ``curves`` has one comparison over ``n_spins`` per label, and its fitted straight line, which is
    drawn to its limit, at 1 / N = 0, with the error of that.
    """
    count = len(curves)
    for index, (label, (comparison, trend)) in enumerate(curves.items()):
        x, color, fmt = 1 / comparison["n_spins"].values, f"C{index}", marker(index)
        shift = 0.004 * (index - (count - 1) / 2) * x.max()  # so that the bars can be told
        difference, error = comparison["overlap_difference"], comparison["overlap_error"]
        axes.errorbar(x + shift, 1e3 * difference, 1e3 * error, label=label, fmt=fmt, color=color)
        limit, slope = trend["limit"].item(), trend["coefficient"].sel(power=1).item()
        if np.isfinite(slope):
            axes.axline((0, 1e3 * limit), slope=1e3 * slope, color=color, lw=0.9)
            spread = 1e3 * trend["limit_error"].item()
            axes.errorbar(shift, 1e3 * limit, spread, fmt=fmt, color=color, mfc="w")
    sizes = sorted({int(n) for comparison, _ in curves.values() for n in comparison["n_spins"]})
    axes.set_xticks([0, *(1 / n for n in sizes)], [r"$\infty$", *(f"1/{n}" for n in sizes)])
    axes.tick_params(axis="x", rotation=45)
    axes.axhline(0, color="k", linewidth=1)
    axes.set(
        xlabel="1 / number of spins, $1 / N$",
        ylabel=r"overlap, simulation $-$ theory  ($\times 10^{-3}$)",
    )


def draw_deviation(axes: Axes, comparison: xr.Dataset) -> None:
    """Simulated overlap minus theory against the number of spins, with standard errors."""
    stacked = comparison.stack(point=("pattern_load", "temperature"))
    stacked = stacked.dropna("point", how="all", subset=["overlap_difference"])
    count = stacked.sizes["point"]
    sizes = stacked["n_spins"].values
    for index in range(count):
        one = stacked.isel(point=index)
        alpha, T = one["pattern_load"].item(), one["temperature"].item()
        spread = 1.035 ** (index - (count - 1) / 2)  # side by side, so that the bars can be told
        axes.errorbar(
            sizes * spread,
            1e3 * one["overlap_difference"],
            1e3 * one["overlap_error"],
            fmt=marker(index),
            color=f"C{index}",
            label=rf"$\alpha={alpha:g}$, $T={T:g}$",
        )
    describe_deviation(axes, sizes)
    if count:
        axes.legend(ncols=2, loc="upper center")


def describe_deviation(axes: Axes, sizes: np.ndarray) -> None:
    """Zero, ticks and titles of deviations against the number of spins, with room for a legend."""
    axes.axhline(0, color="k", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.minorticks_off()
    lower, upper = axes.get_ylim()
    axes.set(
        ylim=(lower, upper + 0.35 * (upper - lower)),
        xlabel="number of spins, $N$",
        ylabel=r"overlap, simulation $-$ theory  ($\times 10^{-3}$)",
        title="Deviation from the limit, with standard errors",
    )
