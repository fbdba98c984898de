"""Phase diagram of the Hopfield network with simulated overlaps, and simulation minus theory."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GLASS, METASTABLE, RETRIEVAL = "#efefef", "#dcebf7", "#a9cfec"  # tints of the phases
OK = 1  # status of a point that can be trusted
LINES = {
    "glass": ("k", "-", r"$T_g = 1 + \sqrt{\alpha}$, spin glass appears"),
    "spinodal": ("C1", "-", r"$T_M$, retrieval appears"),
    "first_order": ("C0", "-", r"$T_c$, retrieval is lowest"),
    "almeida_thouless": ("C3", "--", r"$T_R$, replica symmetry breaks (AT)"),
}


def draw(tree: xr.DataTree) -> Figure:
    """Two panels: the plane of load and temperature, and the deviation from theory against N."""
    figure = Figure(figsize=(10.5, 4.6))
    plane, deviation = figure.subplots(1, 2, width_ratios=(1.35, 1))
    _plane(figure, plane, tree)
    _deviation(deviation, tree["comparison"].to_dataset())
    return figure


def _plane(figure: Figure, axes: Axes, tree: xr.DataTree) -> None:
    first_order, spinodal, glass = (
        tree[f"lines/{name}"].to_dataset() for name in ("first_order", "spinodal", "glass")
    )
    axes.fill_between(glass["pattern_load"], 0, glass["temperature"], color=GLASS, lw=0)
    axes.fill_betweenx(spinodal["temperature"], 0, spinodal["pattern_load"], color=METASTABLE, lw=0)
    axes.fill_betweenx(
        first_order["temperature"], 0, first_order["pattern_load"], color=RETRIEVAL, lw=0
    )
    for name, (color, style, label) in LINES.items():
        line = tree[f"lines/{name}"].to_dataset()
        axes.plot(line["pattern_load"], line["temperature"], style, color=color, label=label)
    simulation = tree["simulation"].to_dataset()
    largest = simulation.isel(n_spins=int(simulation["n_spins"].argmax("n_spins")))
    alpha, T = np.meshgrid(largest["pattern_load"], largest["temperature"], indexing="ij")
    overlap = (
        largest["overlap"]
        .where(largest["status"] == OK)
        .mean("replica")
        .transpose("pattern_load", "temperature")
    )
    points = axes.scatter(
        alpha, T, c=overlap, s=52, cmap="viridis", vmin=0, vmax=1, edgecolors="k", linewidths=0.8,
        zorder=3, label=f"simulation, N = {int(largest['n_spins'])}",
    )  # fmt: skip
    figure.colorbar(points, ax=axes, label="simulated overlap with the stored pattern, $m$")
    for text, x, y in (
        ("paramagnet", 0.03, 1.4),
        ("spin glass", 0.085, 1.0),
        ("retrieval\nmetastable", 0.092, 0.15),
        ("retrieval", 0.025, 0.1),
    ):
        axes.text(x, y, text, ha="center", va="center", style="italic")
    axes.set(
        xlim=(0, 0.16),
        ylim=(0, 2.0),
        xlabel=r"patterns per neuron, $\alpha$",
        ylabel="temperature, $T$",
        title="Replica-symmetric theory (lines) and simulation (points)",
    )
    axes.legend(loc="upper right")


def _deviation(axes: Axes, comparison: xr.Dataset) -> None:
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
            fmt="os^Dvp"[index % 6],
            color=f"C{index % 7}",
            label=rf"$\alpha={alpha:g}$, $T={T:g}$",
        )
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
    if count:
        axes.legend(ncols=2, loc="upper center")
